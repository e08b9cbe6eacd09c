import CApusKernels

/// All instruction sets that this CPU can run, best first.
///
/// `nonisolated(unsafe)` because the tables are constants of the process.
nonisolated(unsafe) let kernelTables: [UnsafePointer<apus_kernel_table>] = {
    var count = 0
    guard let tables = apus_kernel_tables(&count) else { return [] }
    return (0..<count).compactMap { tables[$0] }
}()

/// Equal bits, or NaN both.
func isSame(_ a: Float, _ b: Float) -> Bool {
    a.bitPattern == b.bitPattern || (a.isNaN && b.isNaN)
}
