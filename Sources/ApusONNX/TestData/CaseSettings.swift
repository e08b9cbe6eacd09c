internal import ApusCore
internal import FoundationEssentials

/// Reads `case.json`: an object whose numbers `rtol` and `atol` are the tolerance. Further members may
/// hold what a collection of cases keeps beside it; they are not looked at.
enum CaseSettings {
    private static let byteCountMax = 1 << 20

    private struct Members: Decodable {
        var rtol: Double?
        var atol: Double?
    }

    /// The tolerance of a case; the default if there is no file.
    static func tolerance(_ path: String) throws(ONNXError) -> Tolerance {
        guard FileBytes.exists(path) else { return Tolerance() }
        let bytes = try FileBytes(path)
        guard bytes.count <= byteCountMax else {
            throw .limitExceeded(place: path, reason: "it has \(bytes.count) bytes")
        }
        let text = try bytes.array(0..<bytes.count)
        let members: Members
        do {
            members = try JSONDecoder().decode(Members.self, from: Data(text))
        } catch {
            throw .invalid(
                place: path, reason: "expected a JSON object whose rtol and atol are numbers")
        }
        var tolerance = Tolerance()
        tolerance.relative = try checked(members.rtol, "rtol", path) ?? tolerance.relative
        tolerance.absolute = try checked(members.atol, "atol", path) ?? tolerance.absolute
        return tolerance
    }

    private static func checked(
        _ value: Double?, _ name: String, _ path: String
    ) throws(ONNXError) -> Double? {
        guard let value, !(value >= 0) else { return value }
        throw .invalid(place: path, reason: "\"\(name)\" is \(value), expected a number from 0 up")
    }
}
