import ApusCore
import ApusWire

/// Bodies of `/invocations`, which MLflow and SageMaker share: the content type says how to read
/// them. Where the two differ, the dialect that is configured first decides.
///
/// - Source: MLflow, "Deployment: inference server specification"; SageMaker, "Custom inference code
///   with hosting services", "Common data formats for inference".
struct InvocationsCodec: Sendable {
    /// Whether the client is SageMaker's: CSV has no header, and the answer is in the form that
    /// `Accept` names, or that of the request.
    let isSageMaker: Bool

    private enum Form: Sendable {
        case csv
        case jsonLines
        case numpy
        case mlflow(MLflowRequest.Form)
        case tensorFlow(TensorFlowRequest.Form)
        /// The only output's value, or an object by name.
        case plain
        /// As in the Open Inference Protocol, binary parts included.
        case triton(ResponseFormat)
    }

    func call(
        _ request: HTTPRequest, _ servable: any Servable,
        headers: [(name: String, value: String)] = [], defaultAccept: String = ""
    ) throws -> DialectCall {
        let (inference, ownForm) = try decode(request, servable)
        let answerForm = isSageMaker ? wantedForm(request, defaultAccept) ?? ownForm : ownForm
        return DialectCall(servable: servable, request: inference) { response in
            var answer = try encode(response, as: answerForm)
            answer.headers += headers
            return answer
        }
    }

    // MARK: Requests

    private func decode(
        _ request: HTTPRequest, _ servable: any Servable
    ) throws -> (InferenceRequest, Form) {
        let text = request.headers.contentType ?? "application/json"
        let media = MediaType(text)
        let model = servable.signature
        switch media.type {
        case "application/json", "":
            try checkParameters(media, text)
            let (inputs, form) = try json(request.body, servable)
            return (request.inference(inputs), form)
        case "text/csv":
            let decoded = try MLflowRequest.decode(
                csv: request.body, hasHeader: try hasHeader(media, text), model: model,
                signature: try MLflowSignature(servable.configuration))
            return (
                request.inference(decoded.inputs), isSageMaker ? .csv : .mlflow(decoded.form)
            )
        case "application/jsonlines", "application/jsonl", "application/x-jsonlines":
            let inputs = try RowsText.inputs(jsonLines: request.body, signature: model)
            return (request.inference(inputs), isSageMaker ? .jsonLines : .mlflow(.arrays))
        case "application/x-npy":
            let tensor = try NumPyFile.tensor(request.body)
            return (
                request.inference([try named(tensor, model)]),
                isSageMaker ? .numpy : .mlflow(.arrays)
            )
        case "application/vnd.sagemaker-triton.binary+json":
            return try triton(request, media)
        default: throw unsupported(text)
        }
    }

    private func json(
        _ body: TensorBytes, _ servable: any Servable
    ) throws -> ([NamedTensor], Form) {
        let model = servable.signature
        if isSageMaker {
            switch InvocationBody.kind(of: body) {
            case .array:
                return (try TorchServeRequest.inputs(json: body, signature: model), .plain)
            case .tensorFlow:
                let decoded = try TensorFlowRequest.decode(body, signature: model)
                return (decoded.inputs, .tensorFlow(decoded.form))
            case .other: break
            }
        }
        let decoded = try MLflowRequest.decode(
            body, model: model, signature: try MLflowSignature(servable.configuration))
        return (decoded.inputs, .mlflow(decoded.form))
    }

    private func named(_ tensor: Tensor, _ model: ModelSignature) throws -> NamedTensor {
        let required = model.inputs.filter { !$0.isOptional }
        guard let input = model.inputs.count == 1 ? model.inputs.first : required.first,
            model.inputs.count == 1 || required.count == 1
        else {
            throw WireError.request(
                "the body is one array, but the model has \(model.inputs.count) inputs")
        }
        // Clients compute in double precision by default.
        let converted = try TensorConversion.widened(tensor, to: input)
        return NamedTensor(name: input.name, tensor: converted)
    }

    private func triton(
        _ request: HTTPRequest, _ media: MediaType
    ) throws -> (InferenceRequest, Form) {
        let length = try InferenceRequestDecoder.headerByteCount(
            media.parameters["json-header-size"] ?? "\(request.body.count)",
            bodyByteCount: request.body.count)
        let decoded = try InferenceRequestDecoder.decode(
            request.body, headerByteCount: length,
            receivedNanoseconds: request.receivedNanoseconds, cancellation: request.cancellation)
        return (decoded.request, .triton(decoded.format))
    }

    private func hasHeader(_ media: MediaType, _ text: String) throws -> Bool {
        switch media.parameters["header"]?.lowercased() {
        case "present", "true": return true
        case "absent", "false": return false
        default:
            try checkParameters(media, text)
            return !isSageMaker
        }
    }

    /// MLflow knows no other parameter than the charset.
    private func checkParameters(_ media: MediaType, _ text: String) throws(HTTPProblem) {
        guard !isSageMaker else { return }
        for (name, value) in media.parameters
        where name != "charset" || value.lowercased() != "utf-8" { throw unsupported(text) }
    }

    private func unsupported(_ found: String) -> HTTPProblem {
        .unknownContentType(
            found,
            expected: "application/json, text/csv, application/jsonlines or application/x-npy")
    }

    // MARK: Answers

    /// What `Accept` names, if it is one that is known.
    private func wantedForm(_ request: HTTPRequest, _ defaultAccept: String) -> Form? {
        let wishes = [request.headers.accept ?? "", defaultAccept].joined(separator: ",")
        for part in wishes.split(separator: ",") {
            switch MediaType(String(part)).type {
            case "text/csv": return .csv
            case "application/jsonlines", "application/jsonl": return .jsonLines
            case "application/x-npy": return .numpy
            case "application/json": return jsonForm(request)
            default: continue
            }
        }
        return nil
    }

    /// The JSON answer to a body that is no JSON; nil if the body's own form decides.
    private func jsonForm(_ request: HTTPRequest) -> Form? {
        let type = MediaType(request.headers.contentType ?? "application/json").type
        return type == "application/json" || type.hasPrefix("application/vnd")
            ? nil : .tensorFlow(.rows)
    }

    private func encode(_ response: InferenceResponse, as form: Form) throws -> HTTPResponse {
        let outputs = response.outputs
        var answer: HTTPResponse
        switch form {
        case .csv:
            answer = .json(try RowsText.csv(outputs))
            answer.contentType = .csv
        case .jsonLines:
            answer = .json(try RowsText.jsonLines(outputs))
            answer.contentType = .jsonLines
        case .numpy:
            guard let output = outputs.first, outputs.count == 1 else {
                throw WireError.unsupported(
                    "application/x-npy carries one array, but the model has \(outputs.count) "
                        + "outputs")
            }
            answer = .json(try NumPyFile.bytes(output))
            answer.contentType = .numpy
        case .mlflow(let form): answer = .json(try MLflowDocuments.json(outputs, form: form))
        case .tensorFlow(let form):
            answer = .json(try TensorFlowResponse.json(outputs, form: form))
        case .plain: answer = .json(try TorchServeDocuments.predictions(outputs))
        case .triton(let format):
            let (body, lengths) = try InferenceResponseEncoder(response, format: format).encoded()
            answer = .json(body)
            answer.contentType = .triton(headerByteCount: lengths.header ?? lengths.total)
        }
        return answer
    }
}
