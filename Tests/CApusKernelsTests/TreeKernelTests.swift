import ApusTestSupport
import CApusKernels
import Testing

/// Walks of trees, on every instruction set, against a walk that looks at one node at a time.
struct TreeKernelTests {
    /// Trees in the kernel's layout, in both precisions.
    private struct Forest {
        var single: [apus_tree_node_f32] = []
        var double: [apus_tree_node_f64] = []
        var roots: [UInt32] = []
        var members: [Float] = [-0.5, 0, 0.5]
        var starts: [UInt32] = [0, 2, 3]
        var leafCount: UInt32 = 0

        /// Random trees; all nodes have `mode` unless it is nil.
        init(_ random: inout SeededRandom, treeCount: Int, mode: UInt32?, missing: Bool) {
            for _ in 0..<treeCount {
                roots.append(UInt32(single.count))
                appendEmpty()
                var slot = single.count - 1
                let end = single.count + 2 * Int.random(in: 0..<20, using: &random)
                while slot < single.count {
                    if single.count < end {
                        let own = mode ?? UInt32.random(in: 0..<7, using: &random)
                        let bits =
                            UInt32(APUS_TREE_INNER)
                            | (missing ? UInt32.random(in: 0..<2, using: &random) : 0) << 1
                            | own << 2 | UInt32.random(in: 0..<5, using: &random) << 5
                        let isMember = own == APUS_TREE_MEMBER.rawValue
                        let set = UInt32.random(in: 0..<2, using: &random)
                        let threshold = Float(Int.random(in: -2...2, using: &random)) / 2
                        single[slot].threshold = isMember ? Float(bitPattern: set) : threshold
                        double[slot].threshold =
                            isMember ? Double(bitPattern: UInt64(set)) : Double(threshold)
                        single[slot].bits = bits
                        double[slot].bits = bits
                        single[slot].child = UInt32(single.count)
                        double[slot].child = UInt32(single.count)
                        appendEmpty()
                        appendEmpty()
                    } else {
                        single[slot] = apus_tree_node_f32(
                            threshold: Float(bitPattern: leafCount), bits: 0, child: UInt32(slot))
                        double[slot] = apus_tree_node_f64(
                            threshold: Double(bitPattern: UInt64(leafCount)), bits: 0,
                            child: UInt32(slot))
                        leafCount += 1
                    }
                    slot += 1
                }
            }
        }

        private mutating func appendEmpty() {
            single.append(apus_tree_node_f32(threshold: 0, bits: 0, child: 0))
            double.append(apus_tree_node_f64(threshold: 0, bits: 0, child: 0))
        }

        /// The leaf of one row in one tree.
        func leaf(_ tree: Int, _ x: [Float]) -> UInt32 {
            var node = single[Int(roots[tree])]
            while node.bits & UInt32(APUS_TREE_INNER) != 0 {
                let value = x[Int(node.bits >> 5)]
                let t = node.threshold
                var goes: Bool
                switch node.bits >> 2 & 7 {
                case 0: goes = value <= t
                case 1: goes = value < t
                case 2: goes = value >= t
                case 3: goes = value > t
                case 4: goes = value == t
                case 5: goes = value != t
                default:
                    let set = Int(t.bitPattern)
                    goes = members[Int(starts[set])..<Int(starts[set + 1])].contains(value)
                }
                if value.isNaN && node.bits & 2 != 0 { goes = true }
                node = single[Int(node.child) + (goes ? 0 : 1)]
            }
            return node.threshold.bitPattern
        }
    }

    private static var tables: [UnsafePointer<apus_kernel_table>] {
        var count = 0
        guard let tables = apus_kernel_tables(&count) else { return [] }
        return (0..<count).compactMap { tables[$0] }
    }

    @Test(arguments: 0..<9, [1, 7, 8, 9, 17])
    func everyInstructionSetFindsTheSameLeaves(mode: UInt32, rowCount: Int) {
        var random = SeededRandom(seed: UInt64(mode) * 100 + UInt64(rowCount))
        let forest = Forest(
            &random, treeCount: 11, mode: mode < 7 ? mode : nil, missing: mode % 2 == 0)
        let rows = (0..<rowCount).map { _ in
            (0..<5).map { _ -> Float in
                let step = Int.random(in: -4...4, using: &random)
                return step == 4 ? .nan : Float(step) / 2
            }
        }
        let expected = rows.flatMap { row in (2..<11).map { forest.leaf($0, row) } }
        let x = rows.flatMap { $0 }
        let wide = x.map { Double($0) }
        let wideMembers = forest.members.map { Double($0) }
        for table in Self.tables {
            var leaves = [UInt32](repeating: .max, count: expected.count)
            var wideLeaves = leaves
            forest.roots.withUnsafeBufferPointer { roots in
                forest.starts.withUnsafeBufferPointer { starts in
                    var trees = apus_trees()
                    trees.roots = roots.baseAddress
                    trees.member_starts = starts.baseAddress
                    trees.mode = mode < 7 ? Int32(mode) : -1
                    trees.has_missing = mode % 2 == 0
                    forest.single.withUnsafeBytes { nodes in
                        forest.members.withUnsafeBytes { members in
                            trees.nodes = nodes.baseAddress
                            trees.members = members.baseAddress
                            table.pointee.tree_leaves_f32(
                                &trees, 2, 11, x, 5, rowCount, &leaves)
                        }
                    }
                    forest.double.withUnsafeBytes { nodes in
                        wideMembers.withUnsafeBytes { members in
                            trees.nodes = nodes.baseAddress
                            trees.members = members.baseAddress
                            table.pointee.tree_leaves_f64(
                                &trees, 2, 11, wide, 5, rowCount, &wideLeaves)
                        }
                    }
                }
            }
            #expect(leaves == expected, "\(String(cString: table.pointee.name))")
            #expect(wideLeaves == expected, "\(String(cString: table.pointee.name))")
        }
    }
}
