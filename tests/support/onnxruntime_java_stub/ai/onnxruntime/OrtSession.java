package ai.onnxruntime;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** Answers output i with the buffer of input i, of as many as there are; tells how it was opened and fed. */
public class OrtSession implements AutoCloseable {
  public static final List<String> log = new ArrayList<>();
  public static int open = 0;
  final String file;

  OrtSession(String file, SessionOptions options) {
    this.file = file;
    ++open;
    log.add(file + " " + options.said);
  }

  public Result run(Map<String, ? extends OnnxTensorLike> inputs, Set<String> requestedOutputs) throws OrtException {
    List<OnnxValue> found = new ArrayList<>();
    StringBuilder fed = new StringBuilder();
    inputs.forEach((name, each) -> {
      OnnxTensor tensor = (OnnxTensor) each;
      fed.append(name).append(tensor.info.type).append(java.util.Arrays.toString(tensor.info.shape)).append(' ');
      found.add(new OnnxTensor(tensor.info.type, tensor.data, tensor.info.shape));
    });
    log.add(fed + "-> " + String.join(" ", requestedOutputs));
    return new Result(found);
  }

  @Override
  public void close() throws OrtException {
    --open;
  }

  public static class SessionOptions implements AutoCloseable {
    final List<String> said = new ArrayList<>();

    public SessionOptions() {
      ++open;
    }

    public void addConfigEntry(String key, String value) throws OrtException {
      said.add(key + "=" + value);
    }

    public void setIntraOpNumThreads(int threads) throws OrtException {
      said.add("threads=" + threads);
    }

    public void addNnapi() throws OrtException {
      said.add("NNAPI");
    }

    public void addXnnpack(Map<String, String> options) throws OrtException {
      add("XNNPACK", options);
    }

    public void addQnn(Map<String, String> options) throws OrtException {
      add("QNN", options);
    }

    public void addCoreML(Map<String, String> options) throws OrtException {
      add("CoreML", options);
    }

    public void addWebGPU(Map<String, String> options) throws OrtException {
      add("WebGPU", options);
    }

    private void add(String provider, Map<String, String> options) {
      said.add(provider + new TreeMap<>(options));
    }

    @Override
    public void close() {
      --open;
    }
  }

  public static class Result implements AutoCloseable {
    private final List<OnnxValue> values;

    Result(List<OnnxValue> values) {
      this.values = Collections.unmodifiableList(values);
    }

    public OnnxValue get(int index) {
      return values.get(index);
    }

    @Override
    public void close() {
      values.forEach(OnnxValue::close);
    }
  }
}
