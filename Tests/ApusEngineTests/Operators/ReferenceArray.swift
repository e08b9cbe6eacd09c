import ApusCore
import ApusTestSupport

/// A slow, obvious tensor for references: every element is found by its coordinates.
struct ReferenceArray {
    let shape: Shape
    let elements: [Float]

    /// Every coordinate of a shape, in row-major order.
    static func coordinates(of shape: Shape) -> [[Int]] {
        var result: [[Int]] = [[]]
        for length in shape {
            result = result.flatMap { prefix in (0..<length).map { prefix + [$0] } }
        }
        return result
    }

    /// Small whole numbers, so that sums and products are exact.
    static func random(_ shape: Shape, _ random: inout SeededRandom) -> ReferenceArray {
        let count = shape.reduce(1, *)
        let elements = (0..<count).map { _ in Float(Int.random(in: -9...9, using: &random)) }
        return ReferenceArray(shape: shape, elements: elements)
    }

    func tensor() throws -> Tensor { try .floats(shape, elements) }

    subscript(coordinate: [Int]) -> Float {
        var index = 0
        for (length, position) in zip(shape, coordinate) { index = index * length + position }
        return elements[index]
    }

    /// The element that lies at a coordinate of a larger shape after broadcasting.
    func broadcast(_ coordinate: [Int]) -> Float {
        let own = coordinate.suffix(shape.count)
        return self[zip(shape, own).map { $0 == 1 ? 0 : $1 }]
    }
}

/// A random shape of the given rank with lengths around the sizes at which loops change.
func randomShape(rank: Int, _ random: inout SeededRandom) -> Shape {
    (0..<rank).map { _ in [1, 2, 3, 5, 33].randomElement(using: &random) ?? 1 }
}
