// What wrappers use of ONNX Runtime's Objective-C headers, as Swift sees it: a session answers output i with input i, in
// the order of their names, of as many as there are, and tells how it was opened and fed.
import Foundation

public enum ORTTensorElementDataType: Int32, Sendable {
    case undefined, float, int8, uInt8, int32, uInt32, int64, uInt64, string
}

public enum ORTLoggingLevel: Int32, Sendable {
    case verbose, info, warning, error, fatal
}

public final class ORTEnv {
    public init(loggingLevel: ORTLoggingLevel) throws {}
}

public final class ORTRunOptions {}

public final class ORTSessionOptions {
    public var said: [String] = []

    public init() throws {}

    public func addConfigEntry(withKey key: String, value: String) throws {
        said.append("\(key)=\(value)")
    }

    public func appendExecutionProvider(_ name: String, providerOptions: [String: String]) throws {
        said.append("\(name) \(providerOptions.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })")
    }

    public func setIntraOpNumThreads(_ threads: Int32) throws {
        said.append("threads=\(threads)")
    }
}

public final class ORTTensorTypeAndShapeInfo {
    public var elementType: ORTTensorElementDataType
    public var shape: [NSNumber]

    init(_ elementType: ORTTensorElementDataType, _ shape: [NSNumber]) {
        self.elementType = elementType
        self.shape = shape
    }
}

public final class ORTValue {
    private let data: NSMutableData
    private let info: ORTTensorTypeAndShapeInfo

    public init(tensorData: NSMutableData, elementType: ORTTensorElementDataType, shape: [NSNumber]) throws {
        data = tensorData
        info = ORTTensorTypeAndShapeInfo(elementType, shape)
    }

    public func tensorTypeAndShapeInfo() throws -> ORTTensorTypeAndShapeInfo { info }

    public func tensorData() throws -> NSMutableData { data }
}

public final class ORTSession {
    public private(set) var log: [String]

    public init(env: ORTEnv, modelPath path: String, sessionOptions: ORTSessionOptions?) throws {
        log = [path] + (sessionOptions?.said ?? [])
    }

    public func run(
        withInputs inputs: [String: ORTValue], outputNames: Set<String>, runOptions: ORTRunOptions?
    ) throws -> [String: ORTValue] {
        let given = inputs.sorted { $0.key < $1.key }
        log.append(try given.map { "\($0.key) \(try $0.value.tensorTypeAndShapeInfo().shape)" }.joined(separator: ", "))
        return Dictionary(uniqueKeysWithValues: zip(outputNames.sorted(), given.map(\.value)))
    }
}
