import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;

/** java.net.HttpURLConnection: blocking sockets, and a pool. */
final class UrlConnectionTransfers {
    public static void main(String[] args) throws IOException {
        Lines.answer((method, url, file) -> {
            boolean upload = method.equals("PUT");
            HttpURLConnection connection = (HttpURLConnection) URI.create(url).toURL().openConnection();
            if (upload) {
                Path body = Path.of(file);
                connection.setRequestMethod("PUT");
                connection.setDoOutput(true);
                connection.setFixedLengthStreamingMode(Files.size(body));
                try (OutputStream stream = connection.getOutputStream()) {
                    Files.copy(body, stream);
                }
            }
            if (connection.getResponseCode() != 200) throw new IOException("status " + connection.getResponseCode());
            try (InputStream stream = connection.getInputStream()) {
                return upload ? new String(stream.readAllBytes()).trim() : Body.digest(stream);
            }
        });
    }
}
