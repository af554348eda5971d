import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;

/** java.net.http.HttpClient: a selector, sockets that do not block, and a pool. */
final class HttpClientTransfers {
    public static void main(String[] args) throws IOException {
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        Lines.answer((method, url, file) -> {
            boolean upload = method.equals("PUT");
            HttpRequest.BodyPublisher body = upload ? HttpRequest.BodyPublishers.ofFile(Path.of(file)) : HttpRequest.BodyPublishers.noBody();
            HttpRequest request = HttpRequest.newBuilder(URI.create(url)).method(method, body).build();
            HttpResponse<InputStream> answer = client.send(request, HttpResponse.BodyHandlers.ofInputStream());
            try (InputStream stream = answer.body()) {
                if (answer.statusCode() != 200) throw new IOException("status " + answer.statusCode());
                return upload ? new String(stream.readAllBytes()).trim() : Body.digest(stream);
            }
        });
        System.exit(0); // the client's thread would stay
    }
}
