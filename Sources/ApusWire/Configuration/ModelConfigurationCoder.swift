public import ApusCore
import SwiftProtobuf

/// Reads `config.pbtxt` and its JSON form, and writes the JSON of `GET …/config`.
///
/// What Apus does not act on is accepted if it is a hint (GPU instances, optimizations, warm-up
/// data), and refused as unsupported if leaving it out would change answers.
///
/// - Source: Triton, `model_config.proto`; KServe, ModelConfig.
public enum ModelConfigurationCoder {
    /// Reads protobuf text format.
    ///
    /// - Parameter name: the model's directory; the text may leave the name out, but not differ.
    public static func configuration(
        text: String, name: ModelName
    ) throws(WireError) -> ModelConfiguration {
        let message: Inference_ModelConfig
        do {
            message = try Inference_ModelConfig(textFormatString: text)
        } catch {
            throw .configuration(
                model: name.text, reason: TextFormatDiagnosis.reason(for: error, in: text))
        }
        return try ModelConfigReader(modelName: name).configuration(message)
    }

    /// Reads the JSON form; names of members may be in snake or camel case.
    public static func configuration(
        json: String, name: ModelName
    ) throws(WireError) -> ModelConfiguration {
        let message: Inference_ModelConfig
        do {
            message = try Inference_ModelConfig(jsonString: json)
        } catch {
            throw .configuration(model: name.text, reason: Self.reason(forJSON: error))
        }
        return try ModelConfigReader(modelName: name).configuration(message)
    }

    private static func reason(forJSON error: any Error) -> String {
        guard let error = error as? JSONDecodingError else { return "not a ModelConfig" }
        switch error {
        case .unknownField(let name): return "unknown field \"\(name)\""
        case .unrecognizedEnumValue: return "an enum has a value that it does not know"
        case .malformedNumber, .numberRange, .leadingZero:
            return "a number is malformed or out of range"
        case .malformedBool, .malformedString, .invalidUTF8, .schemaMismatch, .illegalNull:
            return "a field has a value of the wrong type"
        case .messageDepthLimit: return "it is nested too deeply"
        case .truncated: return "the JSON ends too early"
        case .trailingGarbage: return "more text follows the JSON object"
        case .conflictingOneOf:
            return "only one of dynamic_batching, sequence_batching, ensemble_scheduling may be set"
        default: return "it is not valid JSON of a ModelConfig (\(error))"
        }
    }
}
