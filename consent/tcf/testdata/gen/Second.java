import com.iabtcf.decoder.TCString;
import com.iabtcf.utils.IntIterable;
import com.iabtcf.v2.PublisherRestriction;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.TreeSet;

/** The second oracle: reads a string a line and prints what it says, as gen.mjs does. */
public class Second {
  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line; (line = in.readLine()) != null;) System.out.println(shape(line));
  }

  static String shape(String s) {
    TCString t = TCString.decode(s);
    boolean disclosed = false, publisher = false;
    String[] parts = s.split("\\.");
    for (int i = 1; i < parts.length; i++) {
      int type = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".indexOf(parts[i].charAt(0)) >> 3;
      disclosed |= type == 1;
      publisher |= type == 3;
    }
    List<String> restrictions = new ArrayList<>();
    List<PublisherRestriction> list = new ArrayList<>(t.getPublisherRestrictions());
    list.sort(Comparator.comparing(PublisherRestriction::getPurposeId).thenComparing(r -> r.getRestrictionType().ordinal()));
    for (PublisherRestriction r : list)
      restrictions.add("{\"purpose\":" + r.getPurposeId() + ",\"type\":" + r.getRestrictionType().ordinal() + ",\"vendors\":" + pairs(r.getVendorIds()) + "}");
    int custom = custom(parts);
    return "{\"version\":" + t.getVersion() + ",\"created_ds\":" + t.getCreated().toEpochMilli() / 100 + ",\"last_updated_ds\":" + t.getLastUpdated().toEpochMilli() / 100
        + ",\"cmp_id\":" + t.getCmpId() + ",\"cmp_version\":" + t.getCmpVersion() + ",\"consent_screen\":" + t.getConsentScreen()
        + ",\"consent_language\":\"" + t.getConsentLanguage() + "\",\"vendor_list_version\":" + t.getVendorListVersion() + ",\"policy_version\":" + t.getTcfPolicyVersion()
        + ",\"is_service_specific\":" + t.isServiceSpecific() + ",\"use_non_standard_texts\":" + t.getUseNonStandardStacks()
        + ",\"special_feature_optins\":" + ids(t.getSpecialFeatureOptIns()) + ",\"purpose_consents\":" + ids(t.getPurposesConsent())
        + ",\"purpose_li\":" + ids(t.getPurposesLITransparency()) + ",\"purpose_one_treatment\":" + t.getPurposeOneTreatment()
        + ",\"publisher_cc\":\"" + t.getPublisherCC() + "\",\"vendor_consents\":" + pairs(t.getVendorConsent()) + ",\"vendor_li\":" + pairs(t.getVendorLegitimateInterest())
        + ",\"disclosed_vendors\":" + (disclosed ? pairs(t.getDisclosedVendors()) : "null") + ",\"restrictions\":[" + String.join(",", restrictions) + "]"
        + ",\"publisher_tc\":" + (publisher ? "{\"consents\":" + ids(t.getPubPurposesConsent()) + ",\"li\":" + ids(t.getPubPurposesLITransparency())
            + ",\"num_custom_purposes\":" + custom + ",\"custom_consents\":" + ids(t.getCustomPurposesConsent())
            + ",\"custom_li\":" + ids(t.getCustomPurposesLITransparency()) + "}" : "null") + "}";
  }

  /** NumCustomPurposes, which the library does not hand out: bits 51 to 56 of the segment. */
  static int custom(String[] parts) {
    for (int i = 1; i < parts.length; i++) {
      StringBuilder bits = new StringBuilder();
      for (char c : parts[i].toCharArray()) {
        int v = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".indexOf(c);
        bits.append(String.format("%6s", Integer.toBinaryString(v)).replace(' ', '0'));
      }
      if (bits.substring(0, 3).equals("011")) return Integer.parseInt(bits.substring(51, 57), 2);
    }
    return 0;
  }

  static String ids(IntIterable of) {
    List<String> out = new ArrayList<>();
    for (int id : sorted(of)) out.add("" + id);
    return "[" + String.join(",", out) + "]";
  }

  static String pairs(IntIterable of) {
    List<int[]> out = new ArrayList<>();
    for (int id : sorted(of)) {
      if (!out.isEmpty() && out.get(out.size() - 1)[1] == id - 1) out.get(out.size() - 1)[1] = id;
      else out.add(new int[] {id, id});
    }
    List<String> text = new ArrayList<>();
    for (int[] p : out) text.add("[" + p[0] + "," + p[1] + "]");
    return "[" + String.join(",", text) + "]";
  }

  static TreeSet<Integer> sorted(IntIterable of) {
    TreeSet<Integer> set = new TreeSet<>();
    for (int id : of.toSet()) set.add(id);
    return set;
  }
}
