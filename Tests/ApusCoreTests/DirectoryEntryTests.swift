import ApusCore
import Glibc
import Testing

@Suite struct DirectoryEntryTests {
    /// An entry that ends where the memory ends.
    @Test func nothingIsReadBehindTheName() throws {
        let page = Int(getpagesize())
        let memory = try #require(
            mmap(nil, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        defer { munmap(memory, 2 * page) }
        try #require(mprotect(memory + page, page, PROT_NONE) == 0)
        let offset = try #require(MemoryLayout<dirent>.offset(of: \.d_name))
        let name = Array("model.onnx\0".utf8)
        let start = memory + page - name.count
        start.copyMemory(from: name, byteCount: name.count)
        let entry = (start - offset).assumingMemoryBound(to: dirent.self)
        #expect(entry.entryName == "model.onnx")
    }
}
