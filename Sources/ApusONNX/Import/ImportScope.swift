internal import ApusEngine

/// What the names and attributes of a run of nodes mean: those of the model itself, or of a
/// function's body that stands for one node.
struct ImportScope {
    /// Version by domain ("" for ai.onnx).
    let opsetVersions: [String: Int]
    /// Put before every name that `names` does not translate, so that names stay unique.
    var prefix = ""
    /// In a function: its inputs and outputs as the caller names them.
    var names: [String: String] = [:]
    /// In a function: its attributes as the caller gives them; nil outside.
    var attributes: [String: Attribute]?
    /// Depth of functions and sub-graphs.
    var depth = 0

    /// The name of a value in the graph that is built.
    func name(_ name: String) -> String {
        if name.isEmpty { return "" }
        return names[name] ?? (prefix + name)
    }

    /// One function or sub-graph deeper.
    func deeper(place: String) throws(ONNXError) -> ImportScope {
        guard depth < 64 else {
            throw .limitExceeded(
                place: place, reason: "sub-graphs and functions are nested over 64 deep")
        }
        var scope = self
        scope.depth += 1
        return scope
    }
}
