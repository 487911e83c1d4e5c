import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import org.apache.kafka.common.config.ConfigDef;

/** What Kafka and Java say, as lines of tab-separated base64: the questions come as lines of a file. See make_configuration_facts.py. */
public class Facts {
    static String said(Object value) {
        if (value == null) return "-";
        byte[] bytes = value.toString().getBytes(StandardCharsets.UTF_8);
        return "=" + Base64.getEncoder().encodeToString(bytes);
    }

    static byte[] asked(String word) {
        return Base64.getDecoder().decode(word);
    }

    @SuppressWarnings("unchecked")
    static Map<String, String> modes() throws Exception {
        // 4.1 has it in a Scala object, 4.3 in a Java class.
        for (String name : new String[] {"org.apache.kafka.server.config.DynamicBrokerConfig", "kafka.server.DynamicBrokerConfig$"}) {
            try {
                Class<?> holder = Class.forName(name);
                Object self = name.endsWith("$") ? holder.getField("MODULE$").get(null) : null;
                return (Map<String, String>) holder.getMethod("dynamicConfigUpdateModes").invoke(self);
            } catch (ClassNotFoundException other) {
                continue;
            }
        }
        throw new IllegalStateException("this Kafka keeps its dynamic properties elsewhere");
    }

    static String parsed(ConfigDef.ConfigKey key, String text) {
        try {
            Object value = ConfigDef.parseType(key.name, text, key.type);
            if (key.validator != null) key.validator.ensureValid(key.name, value);
            return said(value);
        } catch (org.apache.kafka.common.config.ConfigException refused) {
            return "!";
        }
    }

    public static void main(String[] files) throws Exception {
        ConfigDef definition = kafka.server.KafkaConfig.configDef();
        Map<String, String> modes = modes();
        for (String line : Files.readAllLines(Path.of(files[0]))) {
            String[] words = line.split("\t", -1);
            String name = new String(asked(words[1]), StandardCharsets.UTF_8);
            ConfigDef.ConfigKey key = definition.configKeys().get(name);
            switch (words[0]) {
                case "property":
                    System.out.println(key == null ? "?" : String.join("\t", said(key.type), said(key.defaultValue), said(key.validator), said(modes.get(name))));
                    break;
                case "value":
                    System.out.println(key == null ? "?" : parsed(key, new String(asked(words[2]), StandardCharsets.UTF_8)));
                    break;
                default:
                    Properties properties = new Properties();
                    StringBuilder out = new StringBuilder();
                    try {
                        properties.load(new ByteArrayInputStream(asked(words[1])));
                        for (String found : new TreeSet<>(properties.stringPropertyNames()))
                            out.append(said(found)).append("\t").append(said(properties.getProperty(found))).append("\t");
                    } catch (IllegalArgumentException malformed) {
                        out.append("!");
                    }
                    System.out.println(out);
            }
        }
    }
}
