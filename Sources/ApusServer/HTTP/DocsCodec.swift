/// The description of the server for tools, and the page for people.
enum DocsCodec {
    @Sendable static func openAPI(_ useCases: UseCases, _ request: HTTPRequest) -> HTTPResponse {
        .json(useCases.openAPIDocument())
    }

    @Sendable static func page(_ useCases: UseCases, _ request: HTTPRequest) -> HTTPResponse {
        // The page's own script and style carry this; nothing else runs.
        let nonce = String(UInt64.random(in: .min ... .max), radix: 36)
        var response = HTTPResponse(.ok, .bytes(DocsPage.html(nonce: nonce)))
        response.contentType = .html
        response.headers = [
            (
                "Content-Security-Policy",
                "default-src 'none'; script-src 'nonce-\(nonce)'; style-src 'nonce-\(nonce)'; "
                    + "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                    + "frame-ancestors 'none'"
            ),
            ("X-Content-Type-Options", "nosniff"),
        ]
        return response
    }
}
