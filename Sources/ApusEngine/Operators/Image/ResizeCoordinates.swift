/// Where a position of a resized axis lies on the original axis.
///
/// - Source: ONNX Resize, opset 19, `coordinate_transformation_mode`; lengths that a scale makes
///   fractional are used as they are, as in the reference implementation.
struct ResizeCoordinates: Sendable {
    enum Mode: String, Sendable {
        case halfPixel = "half_pixel"
        case halfPixelSymmetric = "half_pixel_symmetric"
        case pytorchHalfPixel = "pytorch_half_pixel"
        case alignCorners = "align_corners"
        case asymmetric
        case cropAndResize = "tf_crop_and_resize"
        /// Opset 11 only.
        case halfPixelForNearest = "tf_half_pixel_for_nn"
    }

    let mode: Mode
    /// Length of the original axis.
    let sourceLength: Int
    /// Length of the resized axis.
    let targetLength: Int
    let scale: Double
    /// The part of the axis to resize, for `cropAndResize`, normalised to its length.
    let region: (start: Double, end: Double)

    func callAsFunction(_ position: Int) -> Double {
        let x = Double(position)
        let length = Double(sourceLength)
        let scaled = scale * length
        switch mode {
        case .halfPixel: return (x + 0.5) / scale - 0.5
        case .halfPixelSymmetric:
            let offset = length / 2 * (1 - Double(targetLength) / scaled)
            return offset + (x + 0.5) / scale - 0.5
        case .pytorchHalfPixel: return targetLength == 1 ? 0 : (x + 0.5) / scale - 0.5
        case .alignCorners: return scaled == 1 ? 0 : x * (length - 1) / (scaled - 1)
        case .asymmetric: return x / scale
        case .cropAndResize:
            let (start, end) = region
            let extent = (end - start) * (length - 1)
            let inside = scaled == 1 ? extent / 2 : x * extent / (scaled - 1)
            return inside + start * (length - 1)
        case .halfPixelForNearest: return (x + 0.5) / scale
        }
    }

    /// Whether a position is outside the original axis, where `cropAndResize` does not look.
    func isOutside(_ position: Double) -> Bool {
        mode == .cropAndResize && !(position >= 0 && position <= Double(sourceLength - 1))
    }
}
