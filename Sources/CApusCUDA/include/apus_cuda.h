/// NVIDIA GPUs, seen through the driver library that is opened at run time: nothing of CUDA is
/// needed to build, and a machine without it says so.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What is known of one device.
typedef struct {
    char name[128];
    uint64_t memory_bytes;
    /// Compute capability, e.g. 9 and 0.
    int32_t major, minor;
} apus_cuda_device;

/// Opens the driver once and counts its devices. Safe from any thread.
///
/// Returns the number of devices, or -1 if there is no driver or it does not work;
/// `apus_cuda_reason` says why then.
int32_t apus_cuda_device_count(void);

/// Why there is no device: a sentence for people, "" if there is one. Valid for the process's life.
const char *apus_cuda_reason(void);

/// Describes device `index`; returns 0, or the driver's error.
int32_t apus_cuda_describe(int32_t index, apus_cuda_device *device);

/// The driver's CUDA version, 1000 * major + 10 * minor; 0 without a driver.
int32_t apus_cuda_driver_version(void);

#ifdef __cplusplus
}
#endif
