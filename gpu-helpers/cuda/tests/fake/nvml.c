/* A libnvidia-ml that knows one GPU, where tests/fake/cuda.c says that its GPU is plugged in.
 *
 * FAKE_NVML_FAIL   a function's name: that one fails, as on a GPU that has no such sensor.
 * FAKE_NVML_XID    a number: an error of the driver with it comes when somebody waits for one, once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, TIMEOUT = 10, XID_ERROR = 8 };
typedef struct { unsigned gpu, memory; } Utilization;
typedef struct { int *device; unsigned long long type, data; unsigned instance, compute; } Event;
static int gpu;

static int fails(const char *name)
{
    const char *wanted = getenv("FAKE_NVML_FAIL");
    return wanted && strcmp(wanted, name) == 0;
}
#define CALL(name) if (fails(#name)) return NOT_SUPPORTED;

int nvmlInit_v2(void) { CALL(nvmlInit) return OK; }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return code ? "an error of the fake" : "none"; }

int nvmlSystemGetDriverVersion(char *version, unsigned length)
{
    CALL(nvmlSystemGetDriverVersion)
    snprintf(version, length, "570.0");
    return OK;
}

int nvmlDeviceGetHandleByPciBusId_v2(const char *where, int **device)
{
    CALL(nvmlDeviceGetHandleByPciBusId)
    if (strcmp(where, "0000:3b:00.0") != 0) return NOT_FOUND;
    *device = &gpu;
    return OK;
}

int nvmlDeviceGetTemperature(int *device, int sensor, unsigned *celsius)
{
    CALL(nvmlDeviceGetTemperature)
    *celsius = device == &gpu && sensor == 0 ? 41 : 0;
    return OK;
}

int nvmlDeviceGetPowerUsage(int *device, unsigned *milliwatts)
{
    CALL(nvmlDeviceGetPowerUsage)
    *milliwatts = device == &gpu ? 72500 : 0;
    return OK;
}

int nvmlDeviceGetUtilizationRates(int *device, Utilization *rates)
{
    CALL(nvmlDeviceGetUtilizationRates)
    rates->gpu = device == &gpu ? 93 : 0;
    rates->memory = 1;
    return OK;
}

int nvmlEventSetCreate(int **set) { CALL(nvmlEventSetCreate) *set = &gpu; return OK; }
int nvmlEventSetFree(int *set) { (void)set; return OK; }

int nvmlDeviceRegisterEvents(int *device, unsigned long long types, int *set)
{
    CALL(nvmlDeviceRegisterEvents)
    return device == &gpu && set == &gpu && types == XID_ERROR ? OK : NOT_SUPPORTED;
}

int nvmlEventSetWait_v2(int *set, Event *event, unsigned milliseconds)
{
    static int told;
    const char *xid = getenv("FAKE_NVML_XID");
    (void)set;
    if (xid && !told++) {
        *event = (Event){.device = &gpu, .type = XID_ERROR, .data = strtoull(xid, NULL, 10)};
        return OK;
    }
    usleep(milliseconds * 1000u);
    return TIMEOUT;
}
