#include "connx.h"

const ProtobufCMessageDescriptor *connx_descriptor(connx_root root) {
    switch (root) {
        case CONNX_MODEL: return &onnx__model_proto__descriptor;
        case CONNX_TENSOR: return &onnx__tensor_proto__descriptor;
        case CONNX_SEQUENCE: return &onnx__sequence_proto__descriptor;
        case CONNX_MAP: return &onnx__map_proto__descriptor;
        case CONNX_OPTIONAL: return &onnx__optional_proto__descriptor;
    }
    return NULL;
}

int connx_is_tensor(const ProtobufCMessageDescriptor *descriptor) {
    return descriptor == &onnx__tensor_proto__descriptor;
}

const ProtobufCFieldDescriptor *connx_field(
    const ProtobufCMessageDescriptor *descriptor, uint32_t number) {
    return protobuf_c_message_descriptor_get_field(descriptor, number);
}

unsigned connx_field_position(
    const ProtobufCMessageDescriptor *descriptor, const ProtobufCFieldDescriptor *field) {
    return (unsigned)(field - descriptor->fields);
}

const ProtobufCMessageDescriptor *connx_message_of(const ProtobufCFieldDescriptor *field) {
    return field->type == PROTOBUF_C_TYPE_MESSAGE ? field->descriptor : NULL;
}

void *connx_unpack(connx_root root, const uint8_t *bytes, size_t count) {
    return protobuf_c_message_unpack(connx_descriptor(root), NULL, count, bytes);
}

void connx_free(void *message) {
    if (message) protobuf_c_message_free_unpacked(message, NULL);
}
