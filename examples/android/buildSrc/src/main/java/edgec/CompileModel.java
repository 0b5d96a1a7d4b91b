package edgec;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Scanner;
import org.gradle.api.DefaultTask;
import org.gradle.api.GradleException;
import org.gradle.api.tasks.Input;
import org.gradle.api.tasks.InputFile;
import org.gradle.api.tasks.Internal;
import org.gradle.api.tasks.OutputDirectory;
import org.gradle.api.tasks.TaskAction;

/**
 * One bundle of a project file, again when that file, the model, its weights or its samples change; fails where the
 * contract is broken. Of Gradle's API it uses what every Gradle since 4 has.
 */
public class CompileModel extends DefaultTask {
  private String model;
  private File folder;
  private File projectFile;
  private String target;
  private String edgec = "edgec";
  private List<String> options = new ArrayList<>();

  public CompileModel() {
    // What a model is made of is known once it is made: edgec writes it down as compilers write theirs.
    getOutputs().upToDateWhen(task -> isNewest());
  }

  /** What the code calls it, and its folder among the assets. */
  @Input
  public String getModel() {
    return model;
  }

  public void setModel(String model) {
    this.model = model;
  }

  /** An edgec.toml. */
  @InputFile
  public File getProjectFile() {
    return projectFile;
  }

  public void setProjectFile(File projectFile) {
    this.projectFile = projectFile;
  }

  /** One of its targets. */
  @Input
  public String getTarget() {
    return target;
  }

  public void setTarget(String target) {
    this.target = target;
  }

  /** The edgec that compiles: a command, or a path. */
  @Input
  public String getEdgec() {
    return edgec;
  }

  public void setEdgec(String edgec) {
    this.edgec = edgec;
  }

  /** More options of `edgec build`. */
  @Input
  public List<String> getOptions() {
    return options;
  }

  public void setOptions(List<String> options) {
    this.options = options;
  }

  /** Where all it writes goes. */
  @Internal
  public File getFolder() {
    return folder;
  }

  public void setFolder(File folder) {
    this.folder = folder;
  }

  /** A folder of assets: the bundle, in a folder of the model's name. */
  @OutputDirectory
  public File getAssets() {
    return new File(folder, "assets");
  }

  /** A folder of Kotlin sources. */
  @OutputDirectory
  public File getSources() {
    return new File(folder, "kotlin");
  }

  @TaskAction
  public void compile() throws IOException, InterruptedException {
    File bundle = new File(getAssets(), model);
    Files.deleteIfExists(depfile().toPath());
    List<String> build = new ArrayList<>(Arrays.asList(
        edgec, "build", projectFile.getPath(), "--target", target, "--bundle", bundle.getPath(),
        "--depfile", depfile().getPath(), "--quiet"));
    build.addAll(options);
    call(build);
    call(Arrays.asList(
        edgec, "wrap", bundle.getPath(), "--language", "kotlin", "--name", model, "--output", getSources().getPath(),
        "--quiet"));
  }

  private File depfile() {
    return new File(folder, "bundle.d");
  }

  /** Whether nothing that the bundle was made of changed since. */
  private boolean isNewest() {
    if (!depfile().exists()) return false;
    for (File file : madeOf()) {
      if (!file.exists() || file.lastModified() > depfile().lastModified()) return false;
    }
    return true;
  }

  /** What a depfile of Make names behind its colons; a backslash keeps a blank or a line's end from ending a name. */
  private List<File> madeOf() {
    List<File> found = new ArrayList<>();
    String text;
    try {
      text = new String(Files.readAllBytes(depfile().toPath()), StandardCharsets.UTF_8);
    } catch (IOException error) {
      throw new GradleException(depfile() + " cannot be read", error);
    }
    for (String rule : text.replace("\\\n", " ").split("\n")) {
      int colon = rule.indexOf(": ");
      if (colon < 0) continue;
      for (String name : rule.substring(colon + 2).trim().split("(?<!\\\\) +")) {
        if (!name.isEmpty()) found.add(new File(name.replace("\\ ", " ").replace("\\#", "#").replace("$$", "$")));
      }
    }
    return found;
  }

  private void call(List<String> words) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(words).redirectErrorStream(true).start();
    try (Scanner said = new Scanner(process.getInputStream(), "UTF-8").useDelimiter("\\A")) {
      String text = said.hasNext() ? said.next() : "";
      if (process.waitFor() != 0) throw new GradleException(String.join(" ", words) + " failed:\n" + text);
    }
  }
}
