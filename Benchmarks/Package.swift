// swift-tools-version:6.3
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

let core: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
]

let http2: [Target.Dependency] = [
    .product(name: "NIOHTTP2", package: "swift-nio-http2"),
    .product(name: "NIOHPACK", package: "swift-nio-http2"),
]

// What Apus is compared with, and the load for it; apart from the main package, so that its build
// stays small.
let package = Package(
    name: "apus-benchmarks",
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
    ],
    targets: [
        .executableTarget(
            name: "bare-nio",
            dependencies: core + [.product(name: "NIOHTTP1", package: "swift-nio")],
            swiftSettings: settings),
        .executableTarget(
            name: "bare-grpc", dependencies: core + http2, swiftSettings: settings),
        .executableTarget(
            name: "grpc-load", dependencies: core + http2, swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
