/// Places tensors with lifetimes into one block of memory.
///
/// - Source: the greedy-by-size scheme of XNNPACK and TFLite (Pisarchyk & Lee 2020): largest first,
///   each at the lowest gap among the placed ones that live at the same time.
struct ArenaLayout {
    struct Item {
        var byteCount: Int
        /// First and last node that touches the memory.
        var lifetime: ClosedRange<Int>
    }

    private(set) var offsets: [Int]
    private(set) var byteCount = 0

    /// Offsets are multiples of 64 bytes.
    init(_ items: [Item]) {
        offsets = [Int](repeating: 0, count: items.count)
        var placed: [Int] = []
        let bySize = items.indices.sorted {
            (items[$1].byteCount, $0) < (items[$0].byteCount, $1)
        }
        for index in bySize {
            let size = Self.rounded(items[index].byteCount)
            let neighbours = placed.filter { items[$0].lifetime.overlaps(items[index].lifetime) }
                .sorted { offsets[$0] < offsets[$1] }
            var offset = 0
            for neighbour in neighbours {
                if offsets[neighbour] >= offset + size { break }
                offset = max(offset, offsets[neighbour] + Self.rounded(items[neighbour].byteCount))
            }
            offsets[index] = offset
            byteCount = max(byteCount, offset + size)
            placed.append(index)
        }
    }

    private static func rounded(_ byteCount: Int) -> Int { (max(byteCount, 1) + 63) & ~63 }
}
