/* A libnvrtc whose "cubin" and "PTX" are the source itself; tests/fake/cuda.c compiles it for the CPU. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { char *source; const char *log; } Program;

int nvrtcCreateProgram(Program **program, const char *source, const char *name, int headers, const char **h,
                       const char **n)
{
    (void)name, (void)headers, (void)h, (void)n;
    *program = malloc(sizeof **program);
    (*program)->source = strdup(source);
    (*program)->log = "";
    return 0;
}

int nvrtcVersion(int *major, int *minor) { *major = 13; *minor = 0; return 0; }

/* FAKE_NVRTC_REFUSE: a word; sources that have it in them do not compile. FAKE_NVRTC_OLD, set: it does not know the GPU,
 * and compiles for older virtual architectures only, of which 80 is the newest. FAKE_NVRTC_MEMORY, set: it has
 * not enough memory. FAKE_NVRTC_COUNT: a file that has a byte more after each call. */
int nvrtcCompileProgram(Program *program, int count, const char **options)
{
    const char *refuse = getenv("FAKE_NVRTC_REFUSE");
    const char *tally = getenv("FAKE_NVRTC_COUNT");
    FILE *file = tally ? fopen(tally, "a") : NULL;
    if (file) {
        fputc('.', file);
        fclose(file);
    }
    if (count == 1 && getenv("FAKE_NVRTC_OLD") && strcmp(options[0], "--gpu-architecture=compute_80") != 0) return 5;
    if (count != 1 || (strncmp(options[0], "--gpu-architecture=compute_", 27) != 0 &&
                       strncmp(options[0], "--gpu-architecture=sm_90", 25) != 0)) {
        program->log = "fake: expected --gpu-architecture";
        return 6;
    }
    if (getenv("FAKE_NVRTC_MEMORY")) {
        program->log = "";
        return 1;
    }
    if (refuse && strstr(program->source, refuse)) {
        program->log = "fake(1): error: this word is refused";
        return 6;
    }
    return 0;
}

int nvrtcGetNumSupportedArchs(int *count) { *count = 3; return 0; }
int nvrtcGetSupportedArchs(int *archs) { archs[0] = 75; archs[1] = 80; archs[2] = 100; return 0; }
int nvrtcGetPTXSize(Program *program, size_t *size) { *size = strlen(program->source) + 1; return 0; }
int nvrtcGetCUBINSize(Program *program, size_t *size) { *size = strlen(program->source) + 1; return 0; }
int nvrtcGetCUBIN(Program *program, char *cubin) { strcpy(cubin, program->source); return 0; }
int nvrtcGetPTX(Program *program, char *ptx) { strcpy(ptx, program->source); return 0; }
int nvrtcGetProgramLogSize(Program *program, size_t *size) { *size = strlen(program->log) + 1; return 0; }
int nvrtcGetProgramLog(Program *program, char *log) { strcpy(log, program->log); return 0; }
int nvrtcDestroyProgram(Program **program) { free((*program)->source); free(*program); *program = NULL; return 0; }
const char *nvrtcGetErrorString(int code) { return code == 6 ? "NVRTC_ERROR_COMPILATION" : "NVRTC_ERROR"; }
