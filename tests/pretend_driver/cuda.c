/* A CUDA driver without a device: its memory is the host's, and what is queued is done at once.

   It lets the real cuda-bindings be called where there is no NVIDIA driver. Waiting takes 0.2 s. The
   function that PRETEND_FAIL names answers PRETEND_CODE. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int Result;
enum { SUCCESS = 0, INVALID_VALUE = 1, INVALID_CONTEXT = 201, INVALID_HANDLE = 400, NOT_FOUND = 500 };

static Result answer(const char *function) {
    const char *failing = getenv("PRETEND_FAIL"), *code = getenv("PRETEND_CODE");
    return failing && code && !strcmp(failing, function) ? atoi(code) : SUCCESS;
}

static Result given(const char *function, void **handle) {
    Result result = answer(function);
    if (result == SUCCESS) *handle = malloc(16);
    return result;
}

static Result waited(const char *function) {
    usleep(200000);
    return answer(function);
}

Result cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *found) {
    static const char *const suffixes[] = {"_v4", "_v3", "_v2", ""};
    char symbol[128];
    (void)version, (void)flags;
    *function = NULL;
    for (int i = 0; i < 4 && !*function; i++) {
        snprintf(symbol, sizeof symbol, "%s%s", name, suffixes[i]);
        *function = dlsym(RTLD_DEFAULT, symbol);
    }
    if (found) *found = *function ? 0 : 1;
    return *function ? SUCCESS : NOT_FOUND;
}

Result cuInit(unsigned flags) { return (void)flags, answer("cuInit"); }
Result cuDeviceGet(int *device, int ordinal) { return *device = ordinal, answer("cuDeviceGet"); }
Result cuDevicePrimaryCtxRetain(void **context, int device) {
    return (void)device, given("cuDevicePrimaryCtxRetain", context);
}
Result cuDevicePrimaryCtxRelease_v2(int device) { return (void)device, SUCCESS; }
Result cuCtxSetCurrent(void *context) { return context ? SUCCESS : INVALID_CONTEXT; }

Result cuMemGetInfo_v2(size_t *free_, size_t *total) {
    *free_ = (size_t)3 << 30, *total = (size_t)4 << 30;
    return answer("cuMemGetInfo");
}
Result cuMemAlloc_v2(uint64_t *address, size_t size) {
    Result result = answer("cuMemAlloc");
    if (result == SUCCESS) *address = (uint64_t)malloc(size);
    return result;
}
Result cuMemFree_v2(uint64_t address) { return free((void *)address), SUCCESS; }
Result cuMemHostAlloc(void **address, size_t size, unsigned flags) {
    (void)flags;
    *address = malloc(size);
    return answer("cuMemHostAlloc");
}
Result cuMemFreeHost(void *address) { return free(address), SUCCESS; }
Result cuMemcpyHtoDAsync_v2(uint64_t device, const void *host, size_t size, void *stream) {
    if (!stream) return INVALID_HANDLE;
    return memcpy((void *)device, host, size), SUCCESS;
}
Result cuMemcpyDtoHAsync_v2(void *host, uint64_t device, size_t size, void *stream) {
    if (!stream) return INVALID_HANDLE;
    return memcpy(host, (void *)device, size), SUCCESS;
}

Result cuStreamCreate(void **stream, unsigned flags) {
    return flags == 1 ? given("cuStreamCreate", stream) : INVALID_VALUE;
}
Result cuStreamDestroy_v2(void *stream) { return free(stream), SUCCESS; }
Result cuStreamSynchronize(void *stream) {
    return stream ? waited("cuStreamSynchronize") : INVALID_HANDLE;
}
Result cuStreamBeginCapture_v2(void *stream, int mode) {
    return stream && mode == 1 ? SUCCESS : INVALID_VALUE;
}
Result cuStreamEndCapture(void *stream, void **graph) {
    return (void)stream, given("cuStreamEndCapture", graph);
}

Result cuGraphInstantiateWithFlags(void **executable, void *graph, uint64_t flags) {
    return graph && !flags ? given("cuGraphInstantiate", executable) : INVALID_VALUE;
}
Result cuGraphLaunch(void *executable, void *stream) {
    return executable && stream ? SUCCESS : INVALID_HANDLE;
}
Result cuGraphDestroy(void *graph) { return free(graph), SUCCESS; }
Result cuGraphExecDestroy(void *executable) { return free(executable), SUCCESS; }

Result cuEventCreate(void **event, unsigned flags) {
    return flags == 3 ? given("cuEventCreate", event) : INVALID_VALUE;
}
Result cuEventDestroy_v2(void *event) { return free(event), SUCCESS; }
Result cuEventRecord(void *event, void *stream) { return event && stream ? SUCCESS : INVALID_HANDLE; }
Result cuEventSynchronize(void *event) {
    return event ? waited("cuEventSynchronize") : INVALID_HANDLE;
}
