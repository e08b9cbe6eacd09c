// swift-tools-version:6.3
import PackageDescription

/// Settings of every Swift target of ours: the language mode is Swift 6, warnings are errors.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

/// Settings of every C target of ours. Kernels are optimised in debug builds too: at -O0 they
/// run up to 75 times slower and no test on real models would finish.
let optimisedC: [CSetting] = [
    .unsafeFlags(["-O3", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"])
]
/// What reads foreign bytes also looks after its stack and its copies; the kernels' sizes are checked
/// before they are called.
let hardening = ["-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]
let hardenedC: [CSetting] = optimisedC + [.unsafeFlags(hardening)]

let nio = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

let package = Package(
    name: "apus",
    products: [.executable(name: "apus", targets: ["apus"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.0"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // One line each, in the order of Sources/README.md: what may import what.
        .target(name: "ApusCore", swiftSettings: strict),
        .target(
            name: "ApusConfiguration", dependencies: ["CYAML", "CApusPlatform"],
            swiftSettings: strict),
        .target(name: "ApusMetrics", dependencies: ["CApusPlatform"], swiftSettings: strict),
        .target(
            name: "ApusWire",
            dependencies: [
                "ApusCore", "CApusNumbers", "CZlib",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            exclude: [
                "Protobuf/generate", "Protobuf/grpc_service.proto", "Protobuf/health.proto",
                "Protobuf/model_config.proto", "Protobuf/reflection.proto",
                "Protobuf/reflection_v1alpha.proto", "Protobuf/tensorflow.proto",
                "Protobuf/tensorflow_serving.proto",
            ],
            swiftSettings: strict),
        .target(
            name: "ApusServer",
            dependencies: [
                "ApusCore", "ApusWire", "ApusRepository", "ApusMetrics", nio, logging,
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOExtras", package: "swift-nio-extras"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: strict),
        .target(
            name: "ApusScheduler",
            dependencies: ["ApusCore", "ApusMetrics", "CApusPlatform", logging],
            swiftSettings: strict),
        .target(
            name: "ApusRepository",
            dependencies: ["ApusCore", "ApusMetrics", "CApusPlatform", logging],
            swiftSettings: strict),
        .target(
            name: "ApusEngine", dependencies: ["ApusCore", "CApusKernels", "CApusCUDA"],
            swiftSettings: strict),
        .target(
            name: "ApusONNX", dependencies: ["ApusCore", "ApusEngine", "CApusPlatform", "CONNX"],
            swiftSettings: strict),
        .target(
            name: "CONNX", dependencies: ["CProtobufC"], exclude: ["onnx.proto", "generate"],
            cSettings: hardenedC),
        .target(
            name: "CApusKernels", dependencies: ["COpenBLAS"], exclude: ["families"],
            cSettings: optimisedC, linkerSettings: [.linkedLibrary("m")]),
        .target(name: "CApusPlatform", cSettings: hardenedC),
        .target(
            name: "CApusNumbers",
            cxxSettings: [.unsafeFlags(["-O3", "-Wall", "-Wextra", "-Werror"] + hardening)]),
        .target(name: "CApusCUDA", cSettings: optimisedC, linkerSettings: [.linkedLibrary("dl")]),
        .systemLibrary(
            name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(
            name: "CProtobufC", pkgConfig: "libprotobuf-c",
            providers: [.apt(["libprotobuf-c-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .executableTarget(
            name: "apus",
            dependencies: [
                "ApusCore", "ApusConfiguration", "ApusMetrics", "ApusWire", "ApusServer",
                "ApusScheduler", "ApusRepository", "ApusEngine", "ApusONNX", "CApusPlatform",
                nio, logging,
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict,
            // Addresses of functions are looked up at the start, and then cannot be written to.
            linkerSettings: [
                .unsafeFlags([
                    "-Xlinker", "-z", "-Xlinker", "relro", "-Xlinker", "-z", "-Xlinker", "now",
                ])
            ]),

        .target(
            name: "ApusTestSupport", dependencies: ["ApusCore"], path: "Tests/ApusTestSupport",
            swiftSettings: strict),
        .testTarget(
            name: "ApusCoreTests", dependencies: ["ApusCore", "ApusTestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "ApusConfigurationTests",
            dependencies: [
                "ApusConfiguration",
                "ApusTestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ApusMetricsTests",
            dependencies: [
                "ApusMetrics",
                "ApusTestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ApusWireTests",
            dependencies: [
                "ApusCore",
                "ApusWire",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
                "ApusTestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ApusServerTests",
            dependencies: [
                "ApusCore",
                "ApusServer",
                "ApusRepository",
                "ApusMetrics",
                "ApusWire",
                nio,
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
                logging,
                "ApusTestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ApusSchedulerTests",
            dependencies: [
                "ApusCore",
                "ApusScheduler",
                "ApusMetrics",
                logging,
                "ApusTestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ApusRepositoryTests",
            dependencies: [
                "ApusCore",
                "ApusRepository",
                "ApusMetrics",
                logging,
                "ApusTestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ApusEngineTests",
            dependencies: [
                "ApusCore",
                "ApusEngine",
                "ApusTestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ApusONNXTests",
            dependencies: [
                "ApusCore",
                "ApusEngine",
                "ApusONNX",
                "CApusPlatform",
                "CONNX",
                "ApusTestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "CApusKernelsTests",
            dependencies: [
                "CApusKernels",
                "ApusTestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "apusTests",
            dependencies: [
                "apus", "ApusCore", "ApusConfiguration", "ApusServer", "ApusScheduler",
                "ApusEngine", "ApusONNX", logging, "ApusTestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "TidyTests",
            dependencies: [
                "ApusMetrics",
                "ApusTestSupport",
            ],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu17,
    cxxLanguageStandard: .cxx20
)
