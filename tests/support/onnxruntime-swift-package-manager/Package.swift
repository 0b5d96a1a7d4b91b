// swift-tools-version: 5.9
import PackageDescription

let package = Package(
    name: "onnxruntime-swift-package-manager",
    products: [.library(name: "onnxruntime", targets: ["OnnxRuntimeBindings"])],
    targets: [.target(name: "OnnxRuntimeBindings")]
)
