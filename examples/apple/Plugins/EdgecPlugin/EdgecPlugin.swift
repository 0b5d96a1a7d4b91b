import Foundation
import PackagePlugin

/// Compiles each NAME.edgec.toml in a target's folder for the one target it names: the model becomes the target's
/// resource, and Name.swift, which opens it, its source. A broken contract fails the build.
@main
struct EdgecPlugin: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
        let edgec = try executable()
        let folder = target.directory.string
        let projects = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".edgec.toml") }
        return projects.sorted().flatMap { project in
            let name = String(project.dropLast(".edgec.toml".count))
            let toml = target.directory.appending(project)
            let work = context.pluginWorkDirectory.appending(name)
            let bundle = work.appending(name)
            let model = bundle.appending("model.onnx")
            let manifest = bundle.appending("manifest.json")
            let depfile = work.appending("bundle.d")
            let source = work.appending("\(name.prefix(1).uppercased())\(name.dropFirst()).swift")
            return [
                Command.buildCommand(
                    displayName: "Compiling model \(name)",
                    executable: edgec,
                    arguments: [
                        "build", toml.string, "--bundle", bundle.string, "--depfile", depfile.string, "--quiet",
                        // A plugin may write nowhere else.
                        "--cache-dir", context.pluginWorkDirectory.appending("cache").string,
                    ],
                    inputFiles: [edgec] + inputs(of: toml, depfile),
                    outputFiles: [model, manifest]
                ),
                Command.buildCommand(
                    displayName: "Writing the Swift that opens model \(name)",
                    executable: edgec,
                    arguments: [
                        "wrap", bundle.string, "--language", "swift", "--name", name, "--output", work.string, "--quiet",
                    ],
                    inputFiles: [manifest],
                    outputFiles: [source]
                ),
            ]
        }
    }

    /// The project file, the files it names, and what the last build wrote down that it was made of besides: weights
    /// beside the model, folders of samples. They are new to the second build, which takes the bundle from the cache.
    private func inputs(of toml: Path, _ depfile: Path) -> [Path] {
        var files = [toml.string]
        if let text = try? String(contentsOfFile: toml.string, encoding: .utf8) {
            for (index, word) in text.components(separatedBy: "\"").enumerated() where index % 2 == 1 {
                let file = word.hasPrefix("/") ? word : "\(toml.removingLastComponent())/\(word)"
                if FileManager.default.fileExists(atPath: file) { files.append(file) }
            }
        }
        if let text = try? String(contentsOfFile: depfile.string, encoding: .utf8) {
            // Every file has a rule of its own without prerequisites; the one of edgec itself is told by its command.
            for line in text.split(separator: "\n") where line.hasSuffix(":") && !line.hasSuffix("/__init__.py:") {
                files.append(line.dropLast().replacingOccurrences(of: "\\ ", with: " "))
            }
        }
        let found = Set(files.map { URL(fileURLWithPath: $0).standardized.path })
        return found.sorted().map { Path($0) }
    }

    /// The edgec that compiles: EDGEC names it, or it is on the path.
    private func executable() throws -> Path {
        let environment = ProcessInfo.processInfo.environment
        if let named = environment["EDGEC"] { return Path(named) }
        let usual = ["/opt/homebrew/bin", "/usr/local/bin"]  // Xcode's own path has neither
        let folders = (environment["PATH"] ?? "").split(separator: ":").map(String.init) + usual
        for folder in folders where FileManager.default.isExecutableFile(atPath: "\(folder)/edgec") {
            return Path("\(folder)/edgec")
        }
        throw NoEdgec()
    }
}

struct NoEdgec: Error, CustomStringConvertible {
    let description = "edgec is not on the path; install it, or name it in EDGEC"
}
