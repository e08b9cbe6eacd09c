extension OperatorTable {
    static let generatorRows: [Row] = [
        Row("", "Bernoulli", 15, Bernoulli.self),
        Row("", "BlackmanWindow", 17, Window.self),
        Row("", "Constant", 1, Constant.self),
        Row("", "ConstantOfShape", 9, ConstantOfShape.self),
        Row("", "DFT", 17, DFT.self),
        Row("", "EyeLike", 9, EyeLike.self),
        Row("", "HammingWindow", 17, Window.self),
        Row("", "HannWindow", 17, Window.self),
        Row("", "MelWeightMatrix", 17, MelWeightMatrix.self),
        Row("", "Multinomial", 7, Multinomial.self),
        Row("", "RandomNormal", 1, RandomTensor.self),
        Row("", "RandomNormalLike", 1, RandomTensor.self),
        Row("", "RandomUniform", 1, RandomTensor.self),
        Row("", "RandomUniformLike", 1, RandomTensor.self),
        Row("", "Range", 11, RangeOperator.self),
        Row("", "STFT", 17, STFT.self),
    ]
}
