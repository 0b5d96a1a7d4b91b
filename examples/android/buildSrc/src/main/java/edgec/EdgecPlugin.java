package edgec;

import org.gradle.api.Action;
import org.gradle.api.Plugin;
import org.gradle.api.Project;

/** Gives a build `edgec.model("faces") { … }`: a task that compiles a model, as other tasks compile a shader. */
public class EdgecPlugin implements Plugin<Project> {
  @Override
  public void apply(Project project) {
    project.getExtensions().create("edgec", Models.class, project);
  }

  public static class Models {
    private final Project project;

    public Models(Project project) {
      this.project = project;
    }

    /** Add `compileFacesModel` of the model `faces`. Depend on it, and take its `assets` and `sources`. */
    public CompileModel model(String name, Action<? super CompileModel> settings) {
      String task = "compile" + name.substring(0, 1).toUpperCase() + name.substring(1) + "Model";
      return project.getTasks().create(task, CompileModel.class, made -> {
        made.setModel(name);
        made.setFolder(project.getLayout().getBuildDirectory().dir("edgec/" + name).get().getAsFile());
        made.setGroup("build");
        made.setDescription("Compiles model " + name + ", and the Kotlin that opens it.");
        settings.execute(made);
      });
    }
  }
}
