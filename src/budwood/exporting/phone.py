"""Lines for README.md that run an exported LiteRT model on a phone. No phone is at hand where they are made."""

from budwood.exporting.contract import Contract


def readme_lines(contract: Contract) -> str:
    """Return the part of README.md on phones."""
    size, classes = contract.input.shape[1], len(contract.classes)
    distance = contract.distance is not None
    kotlin_output = ', "distance" to Array(1) { FloatArray(1) }' if distance else ""
    kotlin_far = (
        f'\nval noneOfThese = (outputs["distance"] as Array<FloatArray>)[0][0] > {contract.distance.threshold:.6g}f'
        if contract.distance is not None
        else ""
    )
    swift_far = (
        "\nlet distance = try floats { $0.shape.dimensions == [1, 1] }\n"
        f"let noneOfThese = distance[0] > {contract.distance.threshold:.6g}"
        if contract.distance is not None
        else ""
    )
    return f"""
## On a phone

Untried, for no phone was at hand. `bitmap` and `image` are upright squares of {size} pixels, made of the picture as
`contract.json` says (`{contract.input.resize}`, bicubic, antialiased): other ways of scaling move the probabilities.

Android, with `com.google.ai.edge.litert:litert` and `model.tflite` among the assets:

```kotlin
val file = context.assets.openFd("model.tflite")
val model = Interpreter(
    FileInputStream(file.fileDescriptor).channel.map(MapMode.READ_ONLY, file.startOffset, file.declaredLength))
val colours = IntArray({size} * {size}).also {{ bitmap.getPixels(it, 0, {size}, 0, 0, {size}, {size}) }}
val pixels = ByteBuffer.allocateDirect(4 * 3 * colours.size).order(ByteOrder.nativeOrder())
for (colour in colours) for (shift in listOf(16, 8, 0)) pixels.putFloat(((colour shr shift) and 255).toFloat())
val outputs = mapOf<String, Any>("probabilities" to Array(1) {{ FloatArray({classes}) }}{kotlin_output})
model.runSignature(mapOf("pixels" to pixels), outputs, "serving_default")
val probabilities = (outputs["probabilities"] as Array<FloatArray>)[0]{kotlin_far}
```

iOS, with `TensorFlowLiteSwift` and `model.tflite` in the bundle; `image` is a `CGImage`:

```swift
let model = try Interpreter(modelPath: Bundle.main.path(forResource: "model", ofType: "tflite")!)
try model.allocateTensors()
var bytes = [UInt8](repeating: 0, count: {size} * {size} * 4)
let context = CGContext(data: &bytes, width: {size}, height: {size}, bitsPerComponent: 8, bytesPerRow: {size} * 4,
    space: CGColorSpace(name: CGColorSpace.sRGB)!, bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)!
context.draw(image, in: CGRect(x: 0, y: 0, width: {size}, height: {size}))
let pixels = bytes.enumerated().filter {{ $0.offset % 4 < 3 }}.map {{ Float32($0.element) }}
try model.copy(pixels.withUnsafeBytes {{ Data($0) }}, toInputAt: 0)
try model.invoke()
func floats(_ wanted: (Tensor) -> Bool) throws -> [Float32] {{
    let tensor = try (0..<model.outputTensorCount).map(model.output(at:)).first(where: wanted)!
    return tensor.data.withUnsafeBytes {{ Array($0.bindMemory(to: Float32.self)) }}
}}
let probabilities = try floats {{ $0.shape.dimensions == [1, {classes}] }}{swift_far}
```
"""
