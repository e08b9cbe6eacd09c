import ApusCore

@testable import ApusEngine

extension ExtremeCase {
    /// Floats 0, 1, 2, … of a shape.
    private static func x(_ shape: Int...) -> Tensor? {
        try? .floats(shape, (0..<shape.elementCount).map { Float($0) })
    }

    /// A vector of integers.
    private static func i(_ values: Int64...) -> Tensor? { try? .int64s([values.count], values) }

    /// One integer.
    private static func n(_ value: Int64) -> Tensor? { try? .int64s([], [value]) }

    private static func make<Element: BitwiseCopyable>(
        _ type: DataType, _ shape: Shape, _ elements: [Element]
    ) -> Tensor? {
        try? Tensor(type, shape, elements)
    }

    private static func words(_ words: String...) -> Tensor? {
        try? Tensor(shape: [words.count], strings: words.map { Array($0.utf8) })
    }

    private static func string(_ text: String) -> Attribute { .string(Array(text.utf8)) }

    private static func strings(_ texts: String...) -> Attribute {
        .strings(texts.map { Array($0.utf8) })
    }

    @ExtremeCases static var shapes: [ExtremeCase] {
        for mode in ["constant", "edge", "reflect", "wrap"] {
            ExtremeCase("Pad", [x(2, 3), i(1, 0, 0, 1)], ["mode": string(mode)])
        }
        ExtremeCase("Pad", [x(2, 3), i(1, 1), nil, i(1)])
        ExtremeCase("Pad", [x(2, 3)], ["pads": .ints([1, 0, 0, 1])], opset: 2)
        ExtremeCase("Slice", [x(4, 3), i(0, 0), i(3, 2), i(0, 1), i(1, 1)])
        ExtremeCase(
            "Slice", [x(4, 3)],
            ["starts": .ints([0, 0]), "ends": .ints([2, 2]), "axes": .ints([0, 1])], opset: 9)
        ExtremeCase("Tile", [x(2, 3), i(2, 1)])
        ExtremeCase("Expand", [x(1, 3), i(2, 3)])
        ExtremeCase("Reshape", [x(2, 3), i(3, -1)], ["allowzero": .int(0)])
        ExtremeCase("Squeeze", [x(1, 3), i(0)])
        ExtremeCase("Unsqueeze", [x(3), i(0, 2)])
        ExtremeCase("Split", [x(4, 3), i(1, 3)], ["axis": .int(0)], outputs: 2)
        ExtremeCase("Split", [x(4, 3)], ["num_outputs": .int(2), "axis": .int(0)], outputs: 2)
        ExtremeCase("Split", [x(4)], ["split": .ints([1, 3])], outputs: 2, opset: 11)
        ExtremeCase("Concat", [x(1, 3), x(2, 3)], ["axis": .int(0)])
        ExtremeCase("Flatten", [x(2, 3)], ["axis": .int(1)])
        ExtremeCase("Transpose", [x(2, 3)], ["perm": .ints([1, 0])])
        ExtremeCase("CenterCropPad", [x(4, 3), i(2, 5)], ["axes": .ints([0, 1])])
        ExtremeCase("DepthToSpace", [x(1, 4, 1, 1)], ["blocksize": .int(2)])
        ExtremeCase("SpaceToDepth", [x(1, 1, 2, 2)], ["blocksize": .int(2)], opset: 28)
        ExtremeCase(
            "ReverseSequence", [x(3, 2), i(3, 2)],
            ["time_axis": .int(0), "batch_axis": .int(1)])
        ExtremeCase("Trilu", [x(2, 3), n(1)], ["upper": .int(1)])
        ExtremeCase("Shape", [x(2, 3)], ["start": .int(0), "end": .int(2)])
        ExtremeCase("Cast", [x(2, 3)], ["to": .int(7)])
        ExtremeCase("ReduceSum", [x(2, 3), i(1)], ["keepdims": .int(1)])
        ExtremeCase("ReduceMean", [x(2, 3)], ["axes": .ints([0, 1])], opset: 13)
        ExtremeCase("CumSum", [x(2, 3), n(1)], ["exclusive": .int(1), "reverse": .int(1)])
        ExtremeCase(
            "BitShift",
            [make(.uint64, [2], [UInt64(4), 8]), make(.uint64, [2], [UInt64(1), 2])],
            ["direction": string("LEFT")])
        ExtremeCase("Div", [i(7, -8), i(2, 3)])
        ExtremeCase("Mod", [i(7, -8), i(2, 3)], ["fmod": .int(0)])
        ExtremeCase(
            "Div", [make(.int32, [2], [Int32(7), -8]), make(.int32, [2], [Int32(2), 3])])
        ExtremeCase("Pow", [i(7, -8), i(2, 3)])
        ExtremeCase("Abs", [i(7, -8)])
        ExtremeCase("Neg", [i(7, -8)])
        ExtremeCase("Sign", [i(7, -8)])
        ExtremeCase("Mul", [i(7, -8), i(2, 3)])
        ExtremeCase("Add", [i(7, -8), i(2, 3)])
        ExtremeCase("Sub", [i(7, -8), i(2, 3)])
        ExtremeCase("Sum", [i(7, -8), i(2, 3)])
        ExtremeCase("Max", [i(7, -8), i(2, 3)])
        ExtremeCase("ReduceProd", [i(7, -8), i(0)])
        ExtremeCase("ReduceL1", [i(7, -8), i(0)])
        ExtremeCase("ReduceSumSquare", [i(7, -8), i(0)])
        ExtremeCase("CumProd", [i(7, -8), n(0)], opset: 26)
        ExtremeCase(
            "MatMul",
            [make(.int64, [1, 2], [Int64(1), 2]), make(.int64, [2, 1], [Int64(1), 2])])
        ExtremeCase("Clip", [i(7, -8), n(1), n(2)])
        ExtremeCase("Split", [x(1, 4)], ["axis": .int(1)], outputs: 2, opset: 11)
    }

    @ExtremeCases static var indices: [ExtremeCase] {
        ExtremeCase("Compress", [x(3, 2), make(.bool, [3], [UInt8(1), 0, 1])], ["axis": .int(0)])
        ExtremeCase("Gather", [x(3, 2), i(0, 2)], ["axis": .int(0)])
        ExtremeCase(
            "GatherElements", [x(1, 3), make(.int64, [1, 2], [Int64(0), 2])], ["axis": .int(1)])
        ExtremeCase(
            "GatherND", [x(2, 2, 2), make(.int64, [2, 1], [Int64(1), 0])], ["batch_dims": .int(1)])
        ExtremeCase(
            "ScatterElements", [x(1, 3), make(.int64, [1, 2], [Int64(0), 2]), x(1, 2)],
            ["axis": .int(1)])
        ExtremeCase("ScatterND", [x(3, 2), make(.int64, [2, 1], [Int64(1), 0]), x(2, 2)])
        ExtremeCase("TensorScatter", [x(2, 4, 1), x(2, 1, 1), i(0, 3)], ["axis": .int(1)])
        ExtremeCase("NonZero", [i(0, 3)])
        ExtremeCase("OneHot", [i(0, 2), n(3), x(2)], ["axis": .int(-1)])
        ExtremeCase("ArrayFeatureExtractor", [x(2, 3), i(0, 2)], opset: 3, domain: "ai.onnx.ml")
        ExtremeCase("NegativeLogLikelihoodLoss", [x(2, 3), i(0, 2)], ["ignore_index": .int(1)])
        ExtremeCase("SoftmaxCrossEntropyLoss", [x(2, 3), i(0, 2)], ["ignore_index": .int(1)])

    }

    private static let windowAttributes: [String: Attribute] = [
        "pads": .ints([1, 0, 0, 1]), "strides": .ints([1, 2]), "dilations": .ints([1, 1]),
    ]

    private static func pool(_ more: [String: Attribute] = [:]) -> [String: Attribute] {
        windowAttributes.merging(["kernel_shape": .ints([2, 2])]) { $1 }.merging(more) { $1 }
    }

    @ExtremeCases static var windows: [ExtremeCase] {
        ExtremeCase("Conv", [x(1, 2, 4, 4), x(2, 1, 2, 2)], pool(["group": .int(2)]))
        ExtremeCase("Conv", [x(1, 2, 4, 4), x(2, 2, 2, 2)], windowAttributes)
        ExtremeCase(
            "Conv", [x(1, 1, 5), x(1, 1, 2)],
            ["auto_pad": string("SAME_UPPER"), "strides": .ints([2])])
        ExtremeCase(
            "Conv",
            [make(.double, [1, 1, 3], [1.0, 2, 3]), make(.double, [1, 1, 2], [1.0, 2])],
            ["pads": .ints([1, 1]), "dilations": .ints([2]), "strides": .ints([1])])
        ExtremeCase(
            "ConvTranspose", [x(1, 2, 3, 3), x(2, 1, 2, 2)],
            pool(["group": .int(2), "output_padding": .ints([0, 1])]))
        ExtremeCase(
            "ConvTranspose", [x(1, 1, 3), x(1, 1, 2)],
            ["output_shape": .ints([6]), "strides": .ints([2])])
        ExtremeCase(
            "ConvInteger",
            [
                make(.uint8, [1, 1, 3, 3], [UInt8](repeating: 2, count: 9)),
                make(.uint8, [1, 1, 2, 2], [UInt8](repeating: 1, count: 4)),
            ],
            windowAttributes)
        ExtremeCase(
            "DeformConv", [x(1, 1, 3, 3), x(1, 1, 2, 2), x(1, 8, 2, 2)],
            [
                "group": .int(1), "offset_group": .int(1), "pads": .ints([0, 0, 0, 0]),
                "strides": .ints([1, 1]),
            ])
        ExtremeCase(
            "MaxPool", [x(1, 2, 4, 4)], pool(["ceil_mode": .int(1), "storage_order": .int(1)]),
            outputs: 2)
        ExtremeCase("MaxPool", [x(1, 2, 4, 4)], pool(["ceil_mode": .int(1)]))
        ExtremeCase("AveragePool", [x(1, 2, 4, 4)], pool(["count_include_pad": .int(1)]))
        ExtremeCase("LpPool", [x(1, 2, 4, 4)], pool(["p": .int(2)]))
        ExtremeCase("GlobalLpPool", [x(1, 2, 4, 4)], ["p": .int(2)])
        ExtremeCase(
            "MaxUnpool",
            [x(1, 1, 1, 2), make(.int64, [1, 1, 1, 2], [Int64(0), 3]), i(1, 1, 2, 4)],
            ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])])
        ExtremeCase(
            "Col2Im", [x(1, 4, 4), i(3, 3), i(2, 2)],
            ["strides": .ints([1, 1]), "dilations": .ints([1, 1]), "pads": .ints([0, 0, 0, 0])])
        ExtremeCase("CausalConvWithState", [x(1, 2, 4), x(2, 1, 2)], outputs: 2, opset: 27)

    }

    @ExtremeCases static var images: [ExtremeCase] {
        for mode in ["nearest", "linear", "cubic"] {
            ExtremeCase(
                "Resize", [x(1, 1, 2, 2), nil, nil, i(3, 4)],
                [
                    "mode": string(mode), "axes": .ints([2, 3]),
                    "antialias": .int(mode == "nearest" ? 0 : 1),
                ])
        }
        ExtremeCase(
            "Resize",
            [x(1, 1, 2, 2), nil, try? .floats([4], [1, 1, 2, 2])])
        ExtremeCase("AffineGrid", [x(1, 2, 3), i(1, 1, 2, 2)], ["align_corners": .int(0)])
        ExtremeCase("GridSample", [x(1, 1, 2, 2), x(1, 2, 2, 2)])
        ExtremeCase("MaxRoiPool", [x(1, 1, 4, 4), x(1, 5)], ["pooled_shape": .ints([2, 2])])
        ExtremeCase(
            "RoiAlign", [x(1, 1, 4, 4), x(1, 4), i(0)],
            ["output_height": .int(2), "output_width": .int(2), "sampling_ratio": .int(2)])
        ExtremeCase(
            "NonMaxSuppression", [x(1, 2, 4), x(1, 1, 2), i(2)], ["center_point_box": .int(1)])
    }

    @ExtremeCases static var generators: [ExtremeCase] {
        ExtremeCase("ConstantOfShape", [i(2, 3)])
        ExtremeCase("EyeLike", [x(2, 3)], ["k": .int(1), "dtype": .int(1)])
        ExtremeCase("Range", [n(0), n(5), n(2)])
        ExtremeCase("RandomNormal", [], ["shape": .ints([2, 3]), "dtype": .int(1)])
        ExtremeCase("RandomUniform", [], ["shape": .ints([2, 3])])
        ExtremeCase("RandomUniformLike", [x(2, 3)], ["dtype": .int(1)])
        ExtremeCase("Bernoulli", [x(1, 1)], ["dtype": .int(1)])
        ExtremeCase("Multinomial", [x(2, 3)], ["sample_size": .int(4), "dtype": .int(6)])
        ExtremeCase("HannWindow", [n(4)], ["periodic": .int(1), "output_datatype": .int(1)])
        ExtremeCase(
            "MelWeightMatrix",
            [n(3), n(8), n(8000), try? .floats([], [0]), try? .floats([], [4000])],
            ["output_datatype": .int(1)])
        ExtremeCase("DFT", [x(1, 4, 1), n(3), n(1)], ["inverse": .int(0), "onesided": .int(0)])
        ExtremeCase("DFT", [x(1, 4, 1)], ["axis": .int(1), "inverse": .int(1)], opset: 17)
        ExtremeCase("STFT", [x(1, 8, 1), n(2), nil, n(4)], ["onesided": .int(1)])
        ExtremeCase("STFT", [x(1, 8, 1), n(2), x(3)])

    }

    @ExtremeCases static var sorting: [ExtremeCase] {
        ExtremeCase(
            "TopK", [x(2, 3), i(2)], ["axis": .int(1), "largest": .int(1), "sorted": .int(1)],
            outputs: 2)
        ExtremeCase("TopK", [x(2, 3)], ["k": .int(2)], outputs: 2, opset: 9)
        ExtremeCase("Unique", [x(2, 3)], ["axis": .int(0), "sorted": .int(1)], outputs: 4)
        ExtremeCase(
            "ArgMax", [x(2, 3)],
            ["axis": .int(0), "keepdims": .int(1), "select_last_index": .int(1)])

    }

    @ExtremeCases static var normalization: [ExtremeCase] {
        ExtremeCase("Softmax", [x(2, 3)], ["axis": .int(1)])
        ExtremeCase("Softmax", [x(2, 3)], ["axis": .int(1)], opset: 11)
        ExtremeCase("Hardmax", [x(2, 3)], ["axis": .int(1)])
        ExtremeCase("LogSoftmax", [x(2, 3)], ["axis": .int(1)])
        ExtremeCase(
            "LayerNormalization", [x(2, 3), x(3), x(3)], ["axis": .int(1), "stash_type": .int(1)])
        ExtremeCase("RMSNormalization", [x(2, 3), x(3)], ["axis": .int(1)])
        ExtremeCase("GroupNormalization", [x(1, 4, 2), x(4), x(4)], ["num_groups": .int(2)])
        ExtremeCase("LRN", [x(1, 3, 2, 2)], ["size": .int(3)])
        ExtremeCase("LpNormalization", [x(2, 3)], ["axis": .int(1), "p": .int(2)])
        ExtremeCase("MeanVarianceNormalization", [x(1, 2, 2, 2)], ["axes": .ints([0, 2, 3])])
        ExtremeCase(
            "BatchNormalization", [x(1, 2, 2), x(2), x(2), x(2), x(2)], ["training_mode": .int(0)])

    }

    private static func recurrent(_ name: String, gates: Int) -> ExtremeCase {
        ExtremeCase(
            name,
            [
                x(2, 1, 3), x(1, 2 * gates, 3), x(1, 2 * gates, 2), nil,
                make(.int32, [1], [Int32(2)]),
            ],
            ["hidden_size": .int(2), "layout": .int(0)], outputs: 2, opset: 22)
    }

    @ExtremeCases static var recurrent: [ExtremeCase] {
        recurrent("RNN", gates: 1)
        recurrent("GRU", gates: 3)
        recurrent("LSTM", gates: 4)

    }

    @ExtremeCases static var attention: [ExtremeCase] {
        ExtremeCase(
            "Attention", [x(1, 2, 4), x(1, 3, 4), x(1, 3, 4)],
            [
                "q_num_heads": .int(2), "kv_num_heads": .int(2), "is_causal": .int(1),
                "qk_matmul_output_mode": .int(0), "softmax_precision": .int(1),
            ])
        ExtremeCase(
            "RotaryEmbedding",
            [x(1, 2, 4), x(5, 1), x(5, 1), make(.int64, [1, 2], [Int64(0), 1])],
            ["num_heads": .int(2), "rotary_embedding_dim": .int(0), "interleaved": .int(0)])
        // Any number of heads divides what is empty.
        ExtremeCase(
            "Attention", [x(1, 2, 0), x(1, 2, 0), x(1, 2, 4)],
            ["q_num_heads": .int(1), "kv_num_heads": .int(1)])
        ExtremeCase(
            "LinearAttention", [x(1, 2, 0), x(1, 2, 0), x(1, 2, 4)],
            ["q_num_heads": .int(1), "kv_num_heads": .int(1), "update_rule": string("linear")],
            opset: 27)
        ExtremeCase(
            "RotaryEmbedding", [x(1, 2, 0), x(1, 2, 0), x(1, 2, 0)], ["num_heads": .int(1)])
    }

    @ExtremeCases static var quantization: [ExtremeCase] {
        ExtremeCase(
            "QuantizeLinear", [x(2, 4), x(2, 2)],
            ["axis": .int(1), "block_size": .int(2), "saturate": .int(1), "output_dtype": .int(3)])
        ExtremeCase(
            "DequantizeLinear", [make(.int8, [2, 4], [Int8](repeating: 3, count: 8)), x(2)],
            ["axis": .int(0), "block_size": .int(0)])
        ExtremeCase("DynamicQuantizeLinear", [x(2, 4)], outputs: 3)
        ExtremeCase(
            "MatMulInteger",
            [make(.uint8, [1, 2], [UInt8(1), 2]), make(.uint8, [2, 1], [UInt8(1), 2])])

    }

    @ExtremeCases static var text: [ExtremeCase] {
        ExtremeCase("StringSplit", [words("a b c")], ["maxsplit": .int(2)], outputs: 2)
        ExtremeCase(
            "Tokenizer", [words("a b c")],
            ["mincharnum": .int(1), "mark": .int(1), "separators": strings(" ")], opset: 1,
            domain: "com.microsoft")
        ExtremeCase(
            "TfIdfVectorizer", [i(1, 2, 3)],
            [
                "mode": string("TF"), "min_gram_length": .int(1), "max_gram_length": .int(2),
                "max_skip_count": .int(1), "ngram_counts": .ints([0, 2]),
                "ngram_indexes": .ints([0, 1, 2]), "pool_int64s": .ints([1, 2, 2, 3]),
            ])
        ExtremeCase(
            "StringNormalizer", [words("a", "b")],
            ["is_case_sensitive": .int(1), "stopwords": strings("a")])

    }

    private static let trees: [String: Attribute] = [
        "nodes_treeids": .ints([0, 0, 0]), "nodes_nodeids": .ints([0, 1, 2]),
        "nodes_featureids": .ints([1, 0, 0]), "nodes_modes": strings("BRANCH_LEQ", "LEAF", "LEAF"),
        "nodes_values": .floats([1, 0, 0]), "nodes_truenodeids": .ints([1, 0, 0]),
        "nodes_falsenodeids": .ints([2, 0, 0]),
    ]

    private static func ml(
        _ name: String, _ inputs: [Tensor?], _ attributes: [String: Attribute], outputs: Int = 1
    ) -> ExtremeCase {
        ExtremeCase(name, inputs, attributes, outputs: outputs, opset: 3, domain: "ai.onnx.ml")
    }

    @ExtremeCases static var machineLearning: [ExtremeCase] {
        ml(
            "TreeEnsembleRegressor", [x(2, 3)],
            trees.merging([
                "n_targets": .int(2), "target_treeids": .ints([0, 0]),
                "target_nodeids": .ints([1, 2]), "target_ids": .ints([0, 1]),
                "target_weights": .floats([1, 2]),
            ]) { $1 })
        ml(
            "TreeEnsembleClassifier", [x(2, 3)],
            trees.merging([
                "classlabels_int64s": .ints([4, 5]), "class_treeids": .ints([0, 0]),
                "class_nodeids": .ints([1, 2]), "class_ids": .ints([0, 1]),
                "class_weights": .floats([1, 2]),
            ]) { $1 }, outputs: 2)
        ml(
            "SVMRegressor", [x(2, 3)],
            [
                "coefficients": .floats([1, 2]), "n_supports": .int(2), "rho": .floats([1]),
                "support_vectors": .floats([1, 2, 3, 4, 5, 6]), "one_class": .int(0),
            ])
        ml(
            "SVMClassifier", [x(2, 3)],
            [
                "classlabels_ints": .ints([4, 5]), "vectors_per_class": .ints([1, 1]),
                "coefficients": .floats([1, 2]), "rho": .floats([1]),
                "support_vectors": .floats([1, 2, 3, 4, 5, 6]),
            ], outputs: 2)
        ml(
            "LinearClassifier", [x(2, 3)],
            [
                "classlabels_ints": .ints([4, 5]), "coefficients": .floats([1, 2, 3, 4, 5, 6]),
                "intercepts": .floats([1, 2]), "multi_class": .int(0),
            ], outputs: 2)
        ml(
            "LinearRegressor", [x(2, 3)], ["coefficients": .floats([1, 2, 3]), "targets": .int(1)])
        ml("OneHotEncoder", [i(4, 5)], ["cats_int64s": .ints([4, 5]), "zeros": .int(1)])
        ml("FeatureVectorizer", [x(2, 3)], ["inputdimensions": .ints([4])])
        ml(
            "LabelEncoder", [i(4, 5)],
            [
                "keys_int64s": .ints([4, 5]), "values_int64s": .ints([6, 7]),
                "default_int64": .int(1),
            ])
        ml(
            "Imputer", [i(4, 5)],
            ["imputed_value_int64s": .ints([1]), "replaced_value_int64": .int(4)])
        ml("Normalizer", [x(2, 3)], ["norm": string("L1")])

    }
}
