/// Opens `libcuda.so.1`. The few entries used here have had these signatures since CUDA 4; handles
/// are plain integers there, so that no header of CUDA is needed.
///
/// Source: CUDA Driver API reference, "Initialization", "Version Management", "Device Management".
#include "include/apus_cuda.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { ATTRIBUTE_CAPABILITY_MAJOR = 75, ATTRIBUTE_CAPABILITY_MINOR = 76 };

static struct {
    int (*init)(unsigned flags);
    int (*driver_version)(int *version);
    int (*device_count)(int *count);
    int (*device_get)(int *device, int ordinal);
    int (*device_name)(char *name, int length, int device);
    int (*device_memory)(size_t *bytes, int device);
    int (*device_attribute)(int *value, int attribute, int device);
    int (*error_name)(int error, const char **name);
} driver;

static pthread_once_t opened = PTHREAD_ONCE_INIT;
static char reason[256];
static int32_t count = -1;
static int32_t version;

static void fail(const char *what, int error) {
    const char *name = NULL;
    if (driver.error_name) driver.error_name(error, &name);
    snprintf(reason, sizeof reason, "%s failed: %s (%d)", what, name ? name : "unknown", error);
}

static int find(void *library, const char *name, void *entry) {
    void *symbol = dlsym(library, name);
    if (!symbol) {
        snprintf(reason, sizeof reason, "the NVIDIA driver library lacks %s", name);
        return -1;
    }
    memcpy(entry, &symbol, sizeof symbol);
    return 0;
}

static void open_driver(void) {
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        snprintf(reason, sizeof reason, "no NVIDIA driver: %s", dlerror());
        return;
    }
    if (find(library, "cuInit", &driver.init)
        || find(library, "cuDriverGetVersion", &driver.driver_version)
        || find(library, "cuDeviceGetCount", &driver.device_count)
        || find(library, "cuDeviceGet", &driver.device_get)
        || find(library, "cuDeviceGetName", &driver.device_name)
        || find(library, "cuDeviceTotalMem_v2", &driver.device_memory)
        || find(library, "cuDeviceGetAttribute", &driver.device_attribute)
        || find(library, "cuGetErrorName", &driver.error_name)) {
        return;
    }
    int error = driver.init(0);
    if (error) {
        fail("cuInit", error);
        return;
    }
    int found = 0;
    driver.driver_version(&version);
    error = driver.device_count(&found);
    if (error) {
        fail("cuDeviceGetCount", error);
        return;
    }
    count = found;
    if (found == 0) snprintf(reason, sizeof reason, "the NVIDIA driver sees no device");
}

int32_t apus_cuda_device_count(void) {
    pthread_once(&opened, open_driver);
    return count;
}

const char *apus_cuda_reason(void) {
    pthread_once(&opened, open_driver);
    return reason;
}

int32_t apus_cuda_driver_version(void) {
    pthread_once(&opened, open_driver);
    return version;
}

int32_t apus_cuda_describe(int32_t index, apus_cuda_device *device) {
    pthread_once(&opened, open_driver);
    memset(device, 0, sizeof *device);
    if (count < 0) return -1;
    int handle = 0, major = 0, minor = 0;
    size_t bytes = 0;
    int error = driver.device_get(&handle, index);
    if (!error) error = driver.device_name(device->name, (int)sizeof device->name - 1, handle);
    if (!error) error = driver.device_memory(&bytes, handle);
    if (!error) error = driver.device_attribute(&major, ATTRIBUTE_CAPABILITY_MAJOR, handle);
    if (!error) error = driver.device_attribute(&minor, ATTRIBUTE_CAPABILITY_MINOR, handle);
    device->memory_bytes = bytes;
    device->major = major;
    device->minor = minor;
    return error;
}
