package ai.onnxruntime;

import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.nio.ShortBuffer;

/** Holds the very buffer; counts what is open. */
public class OnnxTensor extends OnnxTensorLike {
  public static int open = 0;
  final Buffer data;

  OnnxTensor(OnnxJavaType type, Buffer data, long[] shape) {
    super(new TensorInfo(type, shape));
    this.data = data;
    ++open;
  }

  @Override
  public void close() {
    --open;
  }

  public static OnnxTensor createTensor(OrtEnvironment env, FloatBuffer data, long[] shape) throws OrtException {
    return new OnnxTensor(OnnxJavaType.FLOAT, data, shape);
  }

  public static OnnxTensor createTensor(OrtEnvironment env, DoubleBuffer data, long[] shape) throws OrtException {
    return new OnnxTensor(OnnxJavaType.DOUBLE, data, shape);
  }

  public static OnnxTensor createTensor(OrtEnvironment env, IntBuffer data, long[] shape) throws OrtException {
    return new OnnxTensor(OnnxJavaType.INT32, data, shape);
  }

  public static OnnxTensor createTensor(OrtEnvironment env, LongBuffer data, long[] shape) throws OrtException {
    return new OnnxTensor(OnnxJavaType.INT64, data, shape);
  }

  public static OnnxTensor createTensor(OrtEnvironment env, ShortBuffer data, long[] shape, OnnxJavaType type)
      throws OrtException {
    return new OnnxTensor(type, data, shape);
  }

  public static OnnxTensor createTensor(OrtEnvironment env, ByteBuffer data, long[] shape, OnnxJavaType type)
      throws OrtException {
    return new OnnxTensor(type, data, shape);
  }

  public FloatBuffer getFloatBuffer() {
    return ((FloatBuffer) data).duplicate();
  }

  public DoubleBuffer getDoubleBuffer() {
    return ((DoubleBuffer) data).duplicate();
  }

  public IntBuffer getIntBuffer() {
    return ((IntBuffer) data).duplicate();
  }

  public LongBuffer getLongBuffer() {
    return ((LongBuffer) data).duplicate();
  }

  public ShortBuffer getShortBuffer() {
    return ((ShortBuffer) data).duplicate();
  }

  public ByteBuffer getByteBuffer() {
    return ((ByteBuffer) data).duplicate();
  }
}
