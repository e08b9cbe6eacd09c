internal import ApusCore
internal import CApusKernels

/// The type of features and thresholds, with the kernel that walks trees of it.
protocol TreeNumber: FloatNumber, FloatMath where Value == Self {
    associatedtype Node: BitwiseCopyable
    static func node(threshold: Double, bits: UInt32, child: UInt32) -> Node
    /// A node whose threshold holds a number.
    static func node(index: UInt32, bits: UInt32, child: UInt32) -> Node
    static func walk(
        _ kernels: Kernels, _ trees: UnsafePointer<apus_trees>, _ range: Range<Int>,
        _ x: UnsafePointer<Self>, _ rowStride: Int, _ rowCount: Int,
        _ leaves: UnsafeMutablePointer<UInt32>)
}

extension Float: TreeNumber {
    static func node(threshold: Double, bits: UInt32, child: UInt32) -> apus_tree_node_f32 {
        apus_tree_node_f32(threshold: Float(threshold), bits: bits, child: child)
    }
    static func node(index: UInt32, bits: UInt32, child: UInt32) -> apus_tree_node_f32 {
        apus_tree_node_f32(threshold: Float(bitPattern: index), bits: bits, child: child)
    }
    static func walk(
        _ kernels: Kernels, _ trees: UnsafePointer<apus_trees>, _ range: Range<Int>,
        _ x: UnsafePointer<Float>, _ rowStride: Int, _ rowCount: Int,
        _ leaves: UnsafeMutablePointer<UInt32>
    ) {
        kernels.tree_leaves_f32(
            trees, range.lowerBound, range.upperBound, x, Int64(rowStride), rowCount, leaves)
    }
}

extension Double: TreeNumber {
    static func node(threshold: Double, bits: UInt32, child: UInt32) -> apus_tree_node_f64 {
        apus_tree_node_f64(threshold: threshold, bits: bits, child: child)
    }
    static func node(index: UInt32, bits: UInt32, child: UInt32) -> apus_tree_node_f64 {
        apus_tree_node_f64(
            threshold: Double(bitPattern: UInt64(index)), bits: bits, child: child)
    }
    static func walk(
        _ kernels: Kernels, _ trees: UnsafePointer<apus_trees>, _ range: Range<Int>,
        _ x: UnsafePointer<Double>, _ rowStride: Int, _ rowCount: Int,
        _ leaves: UnsafeMutablePointer<UInt32>
    ) {
        kernels.tree_leaves_f64(
            trees, range.lowerBound, range.upperBound, x, Int64(rowStride), rowCount, leaves)
    }
}

/// Trees and the weights of their leaves in one precision.
///
/// `@unchecked Sendable` because the memory that `trees` points to is written only by `init` and
/// kept alive by the object.
final class WalkableTrees<Real: TreeNumber>: @unchecked Sendable {
    private let memory: [TensorBytes]
    private let trees: UnsafeMutablePointer<apus_trees>
    /// Groups of trees whose nodes stay in the cache while a block of rows goes through them.
    let blocks: [Range<Int>]
    let treeCount: Int
    let weights: [Real]

    private static var blockByteCount: Int { 256 << 10 }
    private static var blockTreeCountMax: Int { 256 }

    init(_ layout: TreeLayout, weights: [Double]) throws(EngineError) {
        let members = layout.sets.flatMap { $0.map { Real($0) } }
        var starts: [UInt32] = [0]
        for set in layout.sets { starts.append(starts[starts.count - 1] + UInt32(set.count)) }
        let nodes = layout.nodes.map { node in
            node.index.map { Real.node(index: $0, bits: node.bits, child: node.child) }
                ?? Real.node(threshold: node.threshold, bits: node.bits, child: node.child)
        }
        memory = [
            try Self.bytes(nodes), try Self.bytes(layout.roots), try Self.bytes(members),
            try Self.bytes(starts),
        ]
        trees = .allocate(capacity: 1)
        trees.initialize(
            to: apus_trees(
                nodes: memory[0].pointer,
                roots: memory[1].pointer.assumingMemoryBound(to: UInt32.self),
                members: memory[2].pointer,
                member_starts: memory[3].pointer.assumingMemoryBound(to: UInt32.self),
                mode: layout.mode, has_missing: layout.hasMissing))
        treeCount = layout.roots.count
        blocks = Self.blocks(layout)
        self.weights = weights.map { Real($0) }
    }

    deinit { trees.deallocate() }

    private static func bytes<Element: BitwiseCopyable>(
        _ elements: [Element]
    ) throws(EngineError) -> TensorBytes {
        do { return try elements.withUnsafeBytes { try TensorBytes(copying: $0) } } catch {
            throw .outOfMemory(byteCount: elements.count * MemoryLayout<Element>.stride)
        }
    }

    private static func blocks(_ layout: TreeLayout) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var first = 0
        let roots = layout.roots
        for tree in roots.indices {
            let end = tree + 1 < roots.count ? Int(roots[tree + 1]) : layout.nodes.count
            let byteCount = (end - Int(roots[first])) * MemoryLayout<Real.Node>.stride
            if tree > first && (byteCount > blockByteCount || tree - first >= blockTreeCountMax) {
                result.append(first..<tree)
                first = tree
            }
        }
        if first < roots.count { result.append(first..<roots.count) }
        return result
    }

    /// The leaves that rows reach in a block of trees, `range.count` per row.
    func leaves(
        _ kernels: Kernels, _ range: Range<Int>, _ x: UnsafePointer<Real>, rowStride: Int,
        rowCount: Int, _ leaves: UnsafeMutablePointer<UInt32>
    ) { Real.walk(kernels, trees, range, x, rowStride, rowCount, leaves) }
}
