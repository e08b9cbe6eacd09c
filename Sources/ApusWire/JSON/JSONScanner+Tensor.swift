import ApusCore
import CApusNumbers

extension JSONScanner {
    /// Reads the array that comes next, nested or flat, as the elements of a tensor.
    ///
    /// The memory for them is taken only after the text was seen to be long enough to hold them.
    ///
    /// - Parameter count: the element count of `shape`.
    mutating func tensor(
        input name: String, dataType: DataType, shape: Shape, count: Int
    ) throws(WireError) -> Tensor {
        guard try peek() == UInt8(ascii: "[") else { throw wrongKind("data", "an array") }
        // The shortest text of n elements has n digits and n - 1 commas.
        guard count <= (self.count - offset + 1) / 2 else {
            throw try elementCountError(input: name, shape: shape, expected: count)
        }
        guard count <= TextLimits.elementCountMax else {
            throw .tooManyElements(
                what: "elements of input \"\(name)\"", countMax: TextLimits.elementCountMax)
        }
        do {
            if dataType == .string {
                return try Tensor(
                    shape: shape, strings: try strings(input: name, shape: shape, count: count))
            }
            guard let element = dataType.jsonElement, let width = dataType.byteCount else {
                throw WireError.noJSONForm(role: .input, name: name, dataType: dataType)
            }
            let memory = try AlignedMemory(byteCount: count * width)
            let result = apus_parse_array(
                text, self.count, offset, element, memory.pointer, count)
            guard result.status == APUS_NUMBERS_OK else {
                throw elementError(result, input: name, dataType: dataType, shape: shape, count)
            }
            advance(to: result.offset)
            let bytes = TensorBytes(
                pointer: UnsafeRawPointer(memory.pointer), count: count * width, owner: memory)
            return try Tensor(dataType: dataType, shape: shape, bytes: bytes)
        } catch let error as WireError {
            throw error
        } catch {
            throw .outOfMemory(byteCount: count)
        }
    }

    /// The array of strings that comes next, flattened.
    private mutating func strings(
        input name: String, shape: Shape, count expected: Int
    ) throws(WireError) -> [[UInt8]] {
        var elements: [[UInt8]] = []
        elements.reserveCapacity(expected)
        var found = 0
        var levels: [Bool] = []
        repeat {
            if try peek() == UInt8(ascii: "[") {
                try openArray("data")
                levels.append(true)
            } else {
                guard try peek() == UInt8(ascii: "\"") else {
                    throw try notAString(input: name, index: found)
                }
                let text = try string("data")
                if found < expected { elements.append(text.bytes) }
                found += 1
            }
            // Behind a value, or at the start of an array: close arrays until an element follows.
            while let last = levels.indices.last, try !nextElement(&levels[last]) {
                levels.removeLast()
            }
        } while !levels.isEmpty
        guard found == expected else {
            throw .elementCount(input: name, found: found, expected: expected, shape: shape)
        }
        return elements
    }

    private mutating func notAString(input: String, index: Int) throws(WireError) -> WireError {
        let range = try skipValue()
        return .elementNotOfType(
            input: input, index: index, found: excerpt(range.lowerBound, range.upperBound),
            dataType: .string, offset: range.lowerBound)
    }

    func elementError(
        _ result: apus_numbers_result, input: String, dataType: DataType, shape: Shape,
        _ expected: Int
    ) -> WireError {
        switch result.status {
        case APUS_NUMBERS_COUNT:
            .elementCount(input: input, found: result.count, expected: expected, shape: shape)
        case APUS_NUMBERS_NOT_OF_TYPE:
            .elementNotOfType(
                input: input, index: result.count, found: excerpt(result.offset, result.token_end),
                dataType: dataType, offset: result.offset)
        case APUS_NUMBERS_OUT_OF_RANGE:
            .elementOutOfRange(
                input: input, index: result.count, found: excerpt(result.offset, result.token_end),
                dataType: dataType, offset: result.offset)
        default: failure(result.status, at: result.offset)
        }
    }

    /// Counts the elements of an array that is too short for its shape.
    private mutating func elementCountError(
        input: String, shape: Shape, expected: Int
    ) throws(WireError) -> WireError {
        .elementCount(input: input, found: try elementCount(), expected: expected, shape: shape)
    }

    /// The number of elements of the array that comes next, nested or flat.
    mutating func elementCount() throws(WireError) -> Int {
        var levels: [Bool] = []
        var found = 0
        repeat {
            if try peek() == UInt8(ascii: "[") {
                try openArray("data")
                levels.append(true)
            } else {
                try skipValue()
                found += 1
            }
            while let last = levels.indices.last, try !nextElement(&levels[last]) {
                levels.removeLast()
            }
        } while !levels.isEmpty
        return found
    }

    /// The start of an offending token, for messages.
    func excerpt(_ start: Int, _ end: Int) -> String {
        let length = min(end - start, 32)
        let bytes = UnsafeBufferPointer(start: text + start, count: max(length, 0))
        return String(decoding: bytes, as: UTF8.self) + (end - start > length ? "…" : "")
    }
}
