/// Where a position of a resized axis lies on the original axis.
///
/// Where the standard leaves room:
/// - `length_resized` of `align_corners` is the length of the resized tensor, as the standard's text
///   says, and as onnxruntime and PyTorch compute. Only where the standard's official cases say
///   otherwise, for axes that a scale shrinks from opset 19 on, it is `scale * length`, unrounded;
///   but not in models that PyTorch wrote, which mean what PyTorch computes.
/// - Positions that a rounding follows (the nearest mode) are computed in `float`, as in onnxruntime:
///   in a finer type `x / scale` would lie just below the integers that a scale like 3/7, itself
///   rounded to `float`, stands for. Interpolation takes them in `double`.
///
/// - Source: ONNX Resize, opset 19, `coordinate_transformation_mode`.
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
    /// Whether `align_corners` goes by `scale * length` and not by the resized axis.
    let alignsByScale: Bool
    /// Whether positions are computed in `float`.
    let isSinglePrecision: Bool

    func callAsFunction(_ position: Int) -> Double {
        isSinglePrecision
            ? Double(source(of: Float(position))) : source(of: Double(position))
    }

    private func source<Real: BinaryFloatingPoint>(of x: Real) -> Real {
        let (length, target, scale) = (Real(sourceLength), Real(targetLength), Real(scale))
        let half = Real(0.5)
        switch mode {
        case .halfPixel: return (x + half) / scale - half
        case .halfPixelSymmetric:
            let offset = length / 2 * (1 - target / (scale * length))
            return offset + (x + half) / scale - half
        case .pytorchHalfPixel: return targetLength == 1 ? 0 : (x + half) / scale - half
        case .alignCorners:
            let resized = alignsByScale ? scale * length : target
            return resized == 1 ? 0 : x * (length - 1) / (resized - 1)
        case .asymmetric: return x / scale
        case .cropAndResize:
            let (start, end) = (Real(region.start), Real(region.end))
            let extent = (end - start) * (length - 1)
            let inside = targetLength == 1 ? extent / 2 : x * extent / (target - 1)
            return inside + start * (length - 1)
        case .halfPixelForNearest: return (x + half) / scale
        }
    }

    /// Whether a position is outside the original axis, where `cropAndResize` does not look.
    func isOutside(_ position: Double) -> Bool {
        mode == .cropAndResize && !(position >= 0 && position <= Double(sourceLength - 1))
    }
}
