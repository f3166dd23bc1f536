import com.iab.gpp.encoder.GppModel;
import com.iab.gpp.encoder.datatype.RangeEntry;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** The second oracle: answers what a field of a string holds; writes strings of section 5. */
public class Second {
  static final DateTimeFormatter ISO = DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'");
  static final Random random = new Random(5);

  public static void main(String[] args) throws Exception {
    if (args[0].equals("canada")) {
      for (int i = 0; i < 24; i++) System.out.println(canada());
      return;
    }
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line; (line = in.readLine()) != null;) {
      String[] question = line.split(" ");
      String answer;
      try {
        answer = text(new GppModel(question[0]).getFieldValue(question[1], question[2]));
      } catch (Exception e) {
        answer = e.getClass().getSimpleName();
      }
      System.out.println(line + " " + answer);
    }
  }

  static String text(Object v) {
    if (v instanceof ZonedDateTime t) return t.withZoneSameInstant(ZoneOffset.UTC).format(ISO);
    if (v instanceof RangeEntry r) return r.getKey() + ":" + r.getType() + ":" + text(r.getIds());
    if (v instanceof List<?> list) {
      List<String> out = new ArrayList<>();
      for (Object x : list) out.add(text(x));
      return "[" + String.join(",", out) + "]";
    }
    return String.valueOf(v);
  }

  static String canada() {
    GppModel m = new GppModel();
    m.setFieldValue("tcfcav1", "CmpId", random.nextInt(4096));
    m.setFieldValue("tcfcav1", "PurposesExpressConsent", bits(24));
    m.setFieldValue("tcfcav1", "PurposesImpliedConsent", bits(24));
    m.setFieldValue("tcfcav1", "VendorExpressConsent", vendors());
    m.setFieldValue("tcfcav1", "VendorImpliedConsent", vendors());
    List<RangeEntry> restrictions = new ArrayList<>();
    for (int i = random.nextInt(3); i > 0; i--) {
      List<Integer> ids = vendors();
      ids.add(6000);
      restrictions.add(new RangeEntry(1 + random.nextInt(11), random.nextInt(3), ids));
    }
    m.setFieldValue("tcfcav1", "PubRestrictions", restrictions);
    m.setFieldValue("tcfcav1", "PubPurposesExpressConsent", bits(24));
    m.setFieldValue("tcfcav1", "DisclosedVendors", vendors());
    ZonedDateTime day = ZonedDateTime.of(2023, 1 + random.nextInt(12), 1 + random.nextInt(28), 0, 0, 0, 0, ZoneOffset.UTC);
    m.setFieldValue("tcfcav1", "Created", day);
    m.setFieldValue("tcfcav1", "LastUpdated", day);
    return m.encode();
  }

  static List<Boolean> bits(int n) {
    List<Boolean> out = new ArrayList<>();
    for (int i = 0; i < n; i++) out.add(random.nextInt(5) < 2);
    return out;
  }

  static List<Integer> vendors() {
    List<Integer> out = new ArrayList<>();
    int id = 0;
    for (int n = random.nextInt(5); n > 0; n--) {
      id += 1 + random.nextInt(900);
      for (int run = random.nextBoolean() ? 1 : 1 + random.nextInt(60); run > 0; run--) out.add(id++);
    }
    return out;
  }
}
