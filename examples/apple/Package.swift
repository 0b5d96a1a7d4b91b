// swift-tools-version: 5.9
import Foundation
import PackageDescription

// ONNX Runtime's own package, or a folder that stands for it.
let runtime: Package.Dependency
if let folder = ProcessInfo.processInfo.environment["ONNXRUNTIME_PACKAGE"] {
    runtime = .package(path: folder)
} else {
    runtime = .package(url: "https://github.com/microsoft/onnxruntime-swift-package-manager", from: "1.24.2")
}

let package = Package(
    name: "reads-a-digit",
    platforms: [.iOS(.v15), .macOS(.v13)],
    dependencies: [runtime],
    targets: [
        .executableTarget(
            name: "ReadsADigit",
            dependencies: [.product(name: "onnxruntime", package: "onnxruntime-swift-package-manager")],
            exclude: ["digits.edgec.toml"],
            plugins: ["EdgecPlugin"]
        ),
        .plugin(name: "EdgecPlugin", capability: .buildTool()),
    ]
)
