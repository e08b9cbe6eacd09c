extension OperatorTable {
    static let shapeRows: [Row] = [
        Row("", "CenterCropPad", 18, CenterCropPad.self),
        Row("", "Concat", 1, Concat.self),
        Row("", "DepthToSpace", 1, BlockMover.self),
        Row("", "Expand", 8, Expand.self),
        Row("", "Flatten", 1, Flatten.self),
        Row("", "Identity", 1, Identity.self),
        Row("", "Pad", 1, Pad.self),
        Row("", "Reshape", 1, Reshape.self),
        Row("", "ReverseSequence", 10, ReverseSequence.self),
        Row("", "Shape", 1, ShapeOf.self),
        Row("", "Size", 1, SizeOf.self),
        Row("", "Slice", 1, Slice.self),
        Row("", "SpaceToDepth", 1, BlockMover.self),
        Row("", "Split", 1, Split.self),
        Row("", "Squeeze", 1, Squeeze.self),
        Row("", "Tile", 1, Tile.self),
        Row("", "Transpose", 1, Transpose.self),
        Row("", "Trilu", 14, Trilu.self),
        Row("", "Unsqueeze", 1, Unsqueeze.self),
    ]
}
