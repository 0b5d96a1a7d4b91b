package android.app;

import android.content.Context;
import android.content.res.AssetManager;
import android.os.Bundle;
import android.view.View;
import java.io.File;

public class Activity extends Context {
  @Override
  public AssetManager getAssets() {
    return new AssetManager();
  }

  @Override
  public File getFilesDir() {
    return new File("files");
  }

  protected void onCreate(Bundle savedInstanceState) {}

  public void setContentView(View view) {}
}
