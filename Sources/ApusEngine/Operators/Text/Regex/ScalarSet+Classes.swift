/// The classes of characters that an expression names.
extension ScalarSet {
    /// `\d`, `\s` and `\w`, which are ASCII in RE2's syntax; nil for any other letter.
    static func perl(_ letter: UInt8) -> ScalarSet? {
        switch letter {
        case UInt8(ascii: "d"): posix("digit")
        case UInt8(ascii: "s"): ScalarSet("\t\n\u{C}\r ")
        case UInt8(ascii: "w"): posix("word")
        default: nil
        }
    }

    /// What stands in `[[:name:]]`; nil if there is no such class.
    static func posix(_ name: String) -> ScalarSet? {
        switch name {
        case "alnum": ScalarSet([48...57, 65...90, 97...122])
        case "alpha": ScalarSet([65...90, 97...122])
        case "ascii": ScalarSet([0...127])
        case "blank": ScalarSet("\t ")
        case "cntrl": ScalarSet([0...31, 127...127])
        case "digit": ScalarSet([48...57])
        case "graph": ScalarSet([33...126])
        case "lower": ScalarSet([97...122])
        case "print": ScalarSet([32...126])
        case "punct": ScalarSet([33...47, 58...64, 91...96, 123...126])
        case "space": ScalarSet([9...13, 32...32])
        case "upper": ScalarSet([65...90])
        case "word": ScalarSet([48...57, 65...90, 95...95, 97...122])
        case "xdigit": ScalarSet([48...57, 65...70, 97...102])
        default: nil
        }
    }

    /// What `\p{name}` stands for: a general category ("Lu"), a group of them ("L") or "Any"; nil
    /// if there is no such one.
    static func category(_ name: String) -> ScalarSet? {
        if name == "Any" { return all }
        return categories[name]
    }

    /// - Complexity: one pass over all scalars, at the first use.
    private static let categories: [String: ScalarSet] = {
        var ranges: [String: [ClosedRange<UInt32>]] = [:]
        var start: UInt32 = 0
        var current = ""
        func close(before end: UInt32) {
            guard !current.isEmpty, end > start else { return }
            for name in [current, String(current.prefix(1))] {
                ranges[name, default: []].append(start...end - 1)
            }
        }
        for value in 0...last {
            let name =
                Unicode.Scalar(value).map { abbreviation($0.properties.generalCategory) } ?? "Cs"
            if name != current {
                close(before: value)
                (start, current) = (value, name)
            }
        }
        close(before: last + 1)
        return ranges.mapValues { ScalarSet($0) }
    }()

    private static func abbreviation(_ category: Unicode.GeneralCategory) -> String {
        switch category {
        case .uppercaseLetter: "Lu"
        case .lowercaseLetter: "Ll"
        case .titlecaseLetter: "Lt"
        case .modifierLetter: "Lm"
        case .otherLetter: "Lo"
        case .nonspacingMark: "Mn"
        case .spacingMark: "Mc"
        case .enclosingMark: "Me"
        case .decimalNumber: "Nd"
        case .letterNumber: "Nl"
        case .otherNumber: "No"
        case .connectorPunctuation: "Pc"
        case .dashPunctuation: "Pd"
        case .openPunctuation: "Ps"
        case .closePunctuation: "Pe"
        case .initialPunctuation: "Pi"
        case .finalPunctuation: "Pf"
        case .otherPunctuation: "Po"
        case .mathSymbol: "Sm"
        case .currencySymbol: "Sc"
        case .modifierSymbol: "Sk"
        case .otherSymbol: "So"
        case .spaceSeparator: "Zs"
        case .lineSeparator: "Zl"
        case .paragraphSeparator: "Zp"
        case .control: "Cc"
        case .format: "Cf"
        case .surrogate: "Cs"
        case .privateUse: "Co"
        case .unassigned: "Cn"
        @unknown default: "Cn"
        }
    }

    /// The set with every scalar that differs from one of it only in case.
    var foldingCase: ScalarSet {
        if let only = ranges.first, ranges.count == 1, only.count == 1 {
            guard let orbit = Self.orbits[only.lowerBound] else { return self }
            return ScalarSet(orbit.map { $0...$0 })
        }
        var added: [ClosedRange<UInt32>] = []
        for (scalar, orbit) in Self.orbits where contains(scalar) {
            added += orbit.map { $0...$0 }
        }
        return ScalarSet(ranges + added)
    }

    /// For each scalar with several cases all of them.
    private static let orbits: [UInt32: [UInt32]] = {
        // The upper case of the lower case joins what folds together: "ſ" with "s" and "S".
        var groups: [UInt32: [UInt32]] = [:]
        for value in 0...last {
            guard let scalar = Unicode.Scalar(value), scalar.properties.isCased,
                scalar != "\u{130}", scalar != "\u{131}"
            else { continue }
            let key = LetterCase.upper.changed(LetterCase.lower.changed(scalar))
            let whole = LetterCase.lower.changed(LetterCase.upper.changed(key))
            groups[whole.value, default: []].append(value)
        }
        var result: [UInt32: [UInt32]] = [:]
        for group in groups.values where group.count > 1 {
            for member in group { result[member] = group }
        }
        return result
    }()
}
