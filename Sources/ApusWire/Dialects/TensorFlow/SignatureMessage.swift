package import ApusCore
package import SwiftProtobuf

extension ModelSignature {
    /// A `SignatureDefMap` with the only signature, packed.
    package var tensorFlowSignature: Google_Protobuf_Any {
        get throws(WireError) {
            let map = Tensorflow_Serving_SignatureDefMap.with { map in
                map.signatureDef[TensorFlowRequest.signatureName] = .with {
                    $0.inputs = Self.infos(inputs)
                    $0.outputs = Self.infos(outputs)
                    $0.methodName = "tensorflow/serving/predict"
                }
            }
            do { return try Google_Protobuf_Any(message: map) } catch {
                throw .unsupported("the signature is too large for a message")
            }
        }
    }

    private static func infos(
        _ tensors: [TensorSpecification]
    ) -> [String: Tensorflow_TensorInfo] {
        var infos: [String: Tensorflow_TensorInfo] = [:]
        for tensor in tensors {
            infos[tensor.name] = .with { info in
                info.name = "\(tensor.name):0"
                info.dtype =
                    Tensorflow_DataType(
                        rawValue: tensor.dataType.tensorFlowType?.number ?? 0) ?? .dtInvalid
                info.tensorShape = .with { shape in
                    shape.dim = tensor.shape.map { size in .with { $0.size = Int64(size) } }
                }
            }
        }
        return infos
    }
}
