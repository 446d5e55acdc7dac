/* Stands before an OpenCL library whose memory is short, as drivers are that give a buffer its memory when it is first used: of
 * the writes of a single word, which claim memory, the first SCARCE_CLAIMS fail. Everything else is the library behind it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>

typedef int Write(void *, void *, unsigned, size_t, size_t, const void *, unsigned, const void *, void **);

int clEnqueueWriteBuffer(void *queue, void *buffer, unsigned blocking, size_t offset, size_t bytes, const void *from,
                         unsigned count, const void *events, void **event)
{
    static int claims;
    const char *scarce = getenv("SCARCE_CLAIMS");
    Write *real = (Write *)dlsym(RTLD_NEXT, "clEnqueueWriteBuffer");
    if (bytes == 4 && scarce && claims++ < atoi(scarce)) return -4;
    return real(queue, buffer, blocking, offset, bytes, from, count, events, event);
}
