// Which digit is in a picture, by a bundle that this very build compiled.
import Foundation
import OnnxRuntimeBindings

// A seven of 8x8 pixels, each from 0 to g, which is 16; the model takes each as 3x3.
let seven = ["02fg5000", "004b9000", "000d7210", "018gega0", "0agf7100", "00e80000", "01g30000", "02f10000"]
let grey: [[Float]] = seven.map { row in row.map { Float($0.hexDigitValue ?? 16) / 16 } }
let image: [Float] = (0..<24).flatMap { y in (0..<24).map { x in grey[y / 3][x / 3] } }

let env = try ORTEnv(loggingLevel: .warning)
let model = try Digits(env: env, bundle: Bundle.module.resourceURL!)
let logits = try model.run(image: .init(image)).logits.values
print("a \(logits.indices.max { logits[$0] < logits[$1] }!)")
