package ai.onnxruntime;

public class OrtEnvironment implements AutoCloseable {
  public static OrtEnvironment getEnvironment() {
    return new OrtEnvironment();
  }

  public OrtSession createSession(String path, OrtSession.SessionOptions options) throws OrtException {
    return new OrtSession(path, options);
  }

  public OrtSession createSession(byte[] model, OrtSession.SessionOptions options) throws OrtException {
    return new OrtSession(model.length + " bytes", options);
  }

  @Override
  public void close() {}
}
