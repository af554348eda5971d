import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;

/** Reads requests {@code GET|PUT URL FILE} from the standard input, one a line, and answers {@code ok LENGTH SHA-256} or {@code error WHY}. */
final class Lines {
    interface Transfer {
        String run(String method, String url, String file) throws IOException, InterruptedException;
    }

    static void answer(Transfer transfer) throws IOException {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            String[] words = line.split(" ");
            try {
                System.out.println("ok " + transfer.run(words[0], words[1], words[2]));
            } catch (IOException | InterruptedException error) {
                System.out.println("error " + error.toString().replace('\n', ' '));
            }
        }
    }

    private Lines() {}
}
