import java.net.URI;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.security.auth.callback.Callback;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerExtensionsValidatorCallback;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

// TokenValidator is what the brokers of Amazon MSK, Azure Event Hubs and Google
// Cloud do with a token, as far as their documentation says it. The secrets are
// those of TestCloudTokens.
public class TokenValidator implements AuthenticateCallbackHandler {
    private static final String SECRET = "s3cret/MSK";
    private static final String ACCESS = "ya29.account";

    @Override
    public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> jaas) {}

    @Override
    public void close() {}

    @Override
    public void handle(Callback[] callbacks) {
        for (Callback c : callbacks) {
            if (c instanceof OAuthBearerExtensionsValidatorCallback e) {
                e.inputExtensions().map().keySet().forEach(e::valid);
            }
            if (!(c instanceof OAuthBearerValidatorCallback v)) {
                continue;
            }
            try {
                v.token(validate(v.tokenValue()));
            } catch (Exception e) {
                v.error("invalid_token", null, null);
            }
        }
    }

    private static OAuthBearerToken validate(String token) throws Exception {
        String[] parts = token.split("\\.", -1);
        if (parts.length != 3) {
            return amazon(token);
        }
        String header = decode(parts[0]), claims = decode(parts[1]);
        long end = Long.parseLong(claim(claims, "exp"));
        check(Instant.now().getEpochSecond() < end, "expired");
        if (header.contains("GOOG_OAUTH2_TOKEN")) {
            check(claim(claims, "iss").equals("Google") && claim(claims, "scope").equals("kafka"), "not Google's");
            check(decode(parts[2]).equals(ACCESS), "not the access token");
        } else {
            check(header.contains("none") && claim(claims, "aud").equals("https://ns.servicebus.windows.net"), "not Azure's");
        }
        return token(token, claim(claims, "sub"), end * 1000);
    }

    // amazon computes the signature of the URL in the token again.
    private static OAuthBearerToken amazon(String token) throws Exception {
        URI url = URI.create(decode(token));
        TreeMap<String, String> query = new TreeMap<>();
        for (String pair : url.getRawQuery().split("&")) {
            String[] kv = pair.split("=", 2);
            query.put(URLDecoder.decode(kv[0], StandardCharsets.UTF_8), URLDecoder.decode(kv[1], StandardCharsets.UTF_8));
        }
        String signature = query.remove("X-Amz-Signature");
        query.remove("User-Agent");
        check(query.get("Action").equals("kafka-cluster:Connect"), "another action");
        StringBuilder canonical = new StringBuilder();
        for (Map.Entry<String, String> e : query.entrySet()) {
            canonical.append(canonical.isEmpty() ? "" : "&").append(escape(e.getKey())).append('=').append(escape(e.getValue()));
        }
        String request = "GET\n/\n" + canonical + "\nhost:" + url.getHost() + "\n\nhost\n" + hash("");
        String[] scope = query.get("X-Amz-Credential").split("/", 2);
        String date = query.get("X-Amz-Date");
        String text = "AWS4-HMAC-SHA256\n" + date + "\n" + scope[1] + "\n" + hash(request);
        byte[] key = ("AWS4" + SECRET).getBytes(StandardCharsets.UTF_8);
        for (String part : scope[1].split("/")) {
            key = mac(key, part);
        }
        check(HexFormat.of().formatHex(mac(key, text)).equals(signature), "another signature");
        Instant begin = Instant.from(DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmssX").withZone(ZoneOffset.UTC).parse(date));
        Instant end = begin.plusSeconds(Long.parseLong(query.get("X-Amz-Expires")));
        check(Instant.now().isBefore(end), "expired");
        return token(token, scope[0], end.toEpochMilli());
    }

    private static String claim(String json, String name) {
        Matcher m = Pattern.compile("\"" + name + "\":\"?([^\",}]*)").matcher(json);
        check(m.find(), "no claim " + name);
        return m.group(1);
    }

    private static void check(boolean ok, String reason) {
        if (!ok) {
            throw new IllegalArgumentException(reason);
        }
    }

    private static String decode(String s) {
        return new String(Base64.getUrlDecoder().decode(s), StandardCharsets.UTF_8);
    }

    private static String escape(String s) {
        return URLEncoder.encode(s, StandardCharsets.UTF_8).replace("+", "%20").replace("*", "%2A").replace("%7E", "~");
    }

    private static String hash(String s) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(s.getBytes(StandardCharsets.UTF_8)));
    }

    private static byte[] mac(byte[] key, String s) throws Exception {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(s.getBytes(StandardCharsets.UTF_8));
    }

    private static OAuthBearerToken token(String value, String principal, long end) {
        return new OAuthBearerToken() {
            @Override
            public String value() {
                return value;
            }

            @Override
            public Set<String> scope() {
                return Set.of();
            }

            @Override
            public long lifetimeMs() {
                return end;
            }

            @Override
            public String principalName() {
                return principal;
            }

            @Override
            public Long startTimeMs() {
                return null;
            }
        };
    }
}
