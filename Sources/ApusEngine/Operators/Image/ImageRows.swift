extension OperatorTable {
    static let imageRows: [Row] = [
        Row("", "AffineGrid", 20, AffineGrid.self),
        Row("", "Col2Im", 18, Col2Im.self),
        Row("", "GridSample", 16, GridSample.self),
        Row("", "MaxRoiPool", 1, MaxRoiPool.self),
        Row("", "NonMaxSuppression", 10, NonMaxSuppression.self),
        Row("", "Resize", 10, Resize.self),
        Row("", "RoiAlign", 10, RoiAlign.self),
        Row("", "Upsample", 1, Resize.self),
    ]
}
