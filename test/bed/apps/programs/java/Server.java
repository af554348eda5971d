import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Executors;

/** com.sun.net.httpserver: {@code Server PORT FOLDER}. GET answers a file of the folder, PUT with the length and SHA-256 of what came. */
final class Server {
    public static void main(String[] args) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("0.0.0.0", Integer.parseInt(args[0])), 0);
        server.setExecutor(Executors.newCachedThreadPool());
        server.createContext("/", exchange -> {
            try (exchange) {
                if (exchange.getRequestMethod().equals("PUT")) upload(exchange);
                else download(exchange, Path.of(args[1], Path.of(exchange.getRequestURI().getPath()).getFileName().toString()));
            }
        });
        server.start();
    }

    private static void upload(HttpExchange exchange) throws IOException {
        byte[] answer = Body.digest(exchange.getRequestBody()).getBytes();
        exchange.sendResponseHeaders(200, answer.length);
        exchange.getResponseBody().write(answer);
    }

    private static void download(HttpExchange exchange, Path file) throws IOException {
        exchange.sendResponseHeaders(200, Files.size(file));
        Files.copy(file, exchange.getResponseBody());
    }
}
