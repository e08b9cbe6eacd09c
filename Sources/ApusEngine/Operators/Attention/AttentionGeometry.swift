internal import ApusCore

/// Where the rows of one head lie in a tensor, in elements.
struct HeadStrides: Sendable {
    let batch: Int
    let head: Int
    let row: Int

    /// - Parameter shape: `[batch, head, row, size]`, `[batch, row, head, size]` if `headsFollowRows`,
    ///   or `[batch, row, heads * size]`.
    init(_ shape: Shape, heads: Int, headsFollowRows: Bool = false) {
        let size = shape.count == 3 ? shape[2] / max(heads, 1) : shape[3]
        if shape.count == 3 || headsFollowRows {
            batch = shape[1] * heads * size
            (head, row) = (size, heads * size)
        } else {
            batch = shape[1] * shape[2] * size
            (head, row) = (shape[2] * size, size)
        }
    }
}

extension PlanInputs {
    /// The size of a head in a tensor of shape `[batch, row, heads * size]`.
    ///
    /// - Throws: unless the last dimension divides into the heads. Where it is empty any number does;
    ///   then the heads must still be as few as a tensor may have.
    func headSize(_ shape: Shape, heads: Int) throws(EngineError) -> Int {
        guard shape.count == 3, heads >= 1, shape[2] % heads == 0,
            [shape[0], shape[1], heads, shape[2] / heads].checkedElementCount != nil
        else { throw fail("an input of shape \(shape) does not have \(heads) heads") }
        return shape[2] / heads
    }
}

/// The sizes of an attention, checked against each other.
struct AttentionGeometry: Sendable {
    let batch: Int
    let queryHeads: Int
    let keyHeads: Int
    let queries: Int
    /// Keys of this run, and keys that were kept from earlier ones.
    let newKeys: Int
    let pastKeys: Int
    /// Of a query and a key, and of a value.
    let size: Int
    let valueSize: Int
    let query: HeadStrides
    let key: HeadStrides
    let value: HeadStrides
    let output: HeadStrides
    let outputShape: Shape

    var keys: Int { newKeys + pastKeys }
    var keyCacheShape: Shape { [batch, keyHeads, keys, size] }
    var valueCacheShape: Shape { [batch, keyHeads, keys, valueSize] }
    var scoresShape: Shape { [batch, queryHeads, queries, keys] }
    /// Query heads that share a key head.
    var groupSize: Int { queryHeads / keyHeads }

    init(_ attributes: AttentionAttributes, _ inputs: PlanInputs) throws(EngineError) {
        let shapes = [try inputs.shape(0), try inputs.shape(1), try inputs.shape(2)]
        let rank = shapes[0].count
        guard rank == 3 || rank == 4,
            shapes.allSatisfy({ $0.count == rank && $0[0] == shapes[0][0] })
        else {
            throw inputs.fail(
                "Q \(shapes[0]), K \(shapes[1]) and V \(shapes[2]) must all have 3 or all 4 "
                    + "dimensions, and one batch")
        }
        let headsFollowRows = attributes.headsFollowRows
        let (headAxis, rowAxis) = rank == 4 && !headsFollowRows ? (1, 2) : (2, 1)
        batch = shapes[0][0]
        queryHeads = rank == 3 ? attributes.queryHeads : shapes[0][headAxis]
        keyHeads = rank == 3 ? attributes.keyHeads : shapes[1][headAxis]
        let (queryHeads, keyHeads) = (queryHeads, keyHeads)
        let heads = [queryHeads, keyHeads, keyHeads]
        guard queryHeads >= 1, keyHeads >= 1, queryHeads % keyHeads == 0 else {
            throw inputs.fail(
                "\(queryHeads) heads of queries must be a multiple of \(keyHeads) heads of keys")
        }
        var sizes: [Int] = []
        for (shape, heads) in zip(shapes, heads) {
            guard rank == 3 || shape[headAxis] == heads else {
                throw inputs.fail("an input of shape \(shape) does not have \(heads) heads")
            }
            sizes.append(rank == 3 ? try inputs.headSize(shape, heads: heads) : shape[3])
        }
        queries = shapes[0][rowAxis]
        newKeys = shapes[1][rowAxis]
        (size, valueSize) = (sizes[0], sizes[2])
        guard sizes[0] == sizes[1], shapes[2][rowAxis] == newKeys else {
            throw inputs.fail(
                "Q \(shapes[0]), K \(shapes[1]) and V \(shapes[2]) do not fit each other")
        }
        pastKeys = try Self.pastKeys(
            batch: batch, heads: keyHeads, size: sizes[0], valueSize: sizes[2], inputs)
        query = HeadStrides(shapes[0], heads: queryHeads, headsFollowRows: headsFollowRows)
        key = HeadStrides(shapes[1], heads: keyHeads, headsFollowRows: headsFollowRows)
        value = HeadStrides(shapes[2], heads: keyHeads, headsFollowRows: headsFollowRows)
        // Before anything is multiplied: queries may be empty, and the values of any size.
        guard [batch, queryHeads, queries, valueSize].checkedElementCount != nil else {
            throw inputs.fail(
                "\(queryHeads) heads of \(queries) queries with values of size \(valueSize) are "
                    + "too large")
        }
        var outputShape = shapes[0]
        outputShape[rank - 1] = rank == 3 ? queryHeads * sizes[2] : sizes[2]
        output = HeadStrides(outputShape, heads: queryHeads, headsFollowRows: headsFollowRows)
        self.outputShape = outputShape
        guard scoresShape.checkedElementCount != nil, keyCacheShape.checkedElementCount != nil,
            valueCacheShape.checkedElementCount != nil
        else { throw inputs.fail("the scores of shape \(scoresShape) are too large") }
    }

    private static func pastKeys(
        batch: Int, heads: Int, size: Int, valueSize: Int, _ inputs: PlanInputs
    ) throws(EngineError) -> Int {
        guard inputs.has(4) == inputs.has(5) else {
            throw inputs.fail("past_key and past_value must be given together")
        }
        if inputs.has(6) {
            let tensor = try inputs.tensor(6)
            guard tensor.dataType == .int64, tensor.shape == [batch], !inputs.has(4) else {
                throw inputs.fail(
                    "nonpad_kv_seqlen must be int64[\(batch)], and not go with past_key")
            }
        }
        guard inputs.has(4) else { return 0 }
        let (key, value) = (try inputs.shape(4), try inputs.shape(5))
        guard key.count == 4, key == [batch, heads, key[2], size],
            value == [batch, heads, key[2], valueSize]
        else {
            throw inputs.fail(
                "past_key \(key) and past_value \(value) do not fit \(heads) heads of size \(size) "
                    + "and \(valueSize) in a batch of \(batch)")
        }
        return key[2]
    }
}
