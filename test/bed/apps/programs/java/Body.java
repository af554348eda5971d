import java.io.IOException;
import java.io.InputStream;
import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;

/** Length and SHA-256 of a body, read to its end. */
final class Body {
    static String digest(InputStream body) throws IOException {
        try {
            MessageDigest sum = MessageDigest.getInstance("SHA-256");
            byte[] chunk = new byte[65536];
            long size = 0;
            for (int length; (length = body.read(chunk)) >= 0; size += length) sum.update(chunk, 0, length);
            return String.format("%d %064x", size, new BigInteger(1, sum.digest()));
        } catch (GeneralSecurityException error) {
            throw new IOException(error);
        }
    }

    private Body() {}
}
