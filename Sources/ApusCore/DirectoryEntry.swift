public import Glibc

extension UnsafeMutablePointer<dirent> {
    /// The name of an entry of a directory. It is read where it lies: an entry is only as long as its
    /// name, so whoever copies the whole of `d_name` reads behind it, perhaps where no memory is.
    public var entryName: String {
        guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { return "" }
        let name = UnsafeRawPointer(self) + offset
        return String(cString: name.assumingMemoryBound(to: CChar.self))
    }
}
