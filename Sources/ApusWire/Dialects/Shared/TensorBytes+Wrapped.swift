import ApusCore
import Glibc

extension TensorBytes {
    /// A copy between two texts.
    func wrapped(_ prefix: String, _ suffix: String) throws(WireError) -> TensorBytes {
        let (before, behind) = (Array(prefix.utf8), Array(suffix.utf8))
        let byteCount = before.count + count + behind.count
        do {
            return try TensorBytes(byteCount: byteCount) { target in
                target.copyBytes(from: before)
                if count > 0, let start = target.baseAddress {
                    memcpy(start + before.count, pointer, count)
                }
                UnsafeMutableRawBufferPointer(rebasing: target[(before.count + count)...])
                    .copyBytes(from: behind)
            }
        } catch {
            throw .outOfMemory(byteCount: byteCount)
        }
    }
}
