extension OperatorTable {
    static let machineLearningRows: [Row] = [
        Row("ai.onnx.ml", "ArrayFeatureExtractor", 1, ArrayFeatureExtractor.self),
        Row("ai.onnx.ml", "Binarizer", 1, Binarizer.self),
        Row("ai.onnx.ml", "CastMap", 1, CastMap.self),
        Row("ai.onnx.ml", "CategoryMapper", 1, CategoryMapper.self),
        Row("ai.onnx.ml", "DictVectorizer", 1, DictVectorizer.self),
        Row("ai.onnx.ml", "FeatureVectorizer", 1, FeatureVectorizer.self),
        Row("ai.onnx.ml", "Imputer", 1, Imputer.self),
        Row("ai.onnx.ml", "LabelEncoder", 1, LabelEncoder.self),
        Row("ai.onnx.ml", "LinearClassifier", 1, LinearClassifier.self),
        Row("ai.onnx.ml", "LinearRegressor", 1, LinearRegressor.self),
        Row("ai.onnx.ml", "Normalizer", 1, Normalizer.self),
        Row("ai.onnx.ml", "OneHotEncoder", 1, OneHotEncoder.self),
        Row("ai.onnx.ml", "SVMClassifier", 1, SVMClassifier.self),
        Row("ai.onnx.ml", "SVMRegressor", 1, SVMRegressor.self),
        Row("ai.onnx.ml", "Scaler", 1, Scaler.self),
        Row("ai.onnx.ml", "TreeEnsemble", 5, TreeEnsemble.self),
        Row("ai.onnx.ml", "TreeEnsembleClassifier", 1, TreeEnsembleClassifier.self),
        Row("ai.onnx.ml", "TreeEnsembleRegressor", 1, TreeEnsembleRegressor.self),
        Row("ai.onnx.ml", "ZipMap", 1, ZipMap.self),
    ]
}
