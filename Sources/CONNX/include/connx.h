// The generated messages, in the form that Swift needs: descriptors as functions (Swift cannot take
// the address of a C constant), unpacking by descriptor.
#pragma once

#include "onnx.pb-c.h"

/// The messages that a file can be.
typedef enum {
    CONNX_MODEL,
    CONNX_TENSOR,
    CONNX_SEQUENCE,
    CONNX_MAP,
    CONNX_OPTIONAL,
} connx_root;

/// The descriptor of a root message.
const ProtobufCMessageDescriptor *connx_descriptor(connx_root root);

/// Whether this is the descriptor of TensorProto.
int connx_is_tensor(const ProtobufCMessageDescriptor *descriptor);

/// The field with this number, or NULL.
const ProtobufCFieldDescriptor *connx_field(
    const ProtobufCMessageDescriptor *descriptor, uint32_t number);

/// Position of a field in its message's table.
unsigned connx_field_position(
    const ProtobufCMessageDescriptor *descriptor, const ProtobufCFieldDescriptor *field);

/// The message type of a field of type message, or NULL.
const ProtobufCMessageDescriptor *connx_message_of(const ProtobufCFieldDescriptor *field);

/// The message, to be freed with connx_free, or NULL if the bytes are not valid or memory is out.
void *connx_unpack(connx_root root, const uint8_t *bytes, size_t count);

void connx_free(void *message);
