import conversations.database.guards
import conversations.models.base
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('conversations', '0007_own_channels'),
    ]

    operations = [
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('address', models.EmailField(max_length=254)),
                ('role', models.CharField(choices=[('agent', 'Agent'), ('reviewer', 'Reviewer'), ('admin', 'Admin'), ('auditor', 'Auditor')], max_length=20)),
                ('channels', django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), blank=True, default=list, help_text='the channels that an agent is kept to; none: all', size=None)),
                ('round', models.PositiveSmallIntegerField(default=1, help_text='how many times it was sent; each makes a new link')),
                ('token_digest', models.CharField(blank=True, editable=False, help_text="SHA-256 of the link's secret", max_length=64)),
                ('is_shown', models.BooleanField(default=False, help_text='The link was shown on screen, because no mail can be sent: it proves no address.')),
                ('sent_at', models.DateTimeField(help_text='when it was asked for, last')),
                ('mailed_at', models.DateTimeField(help_text='when the mail left', null=True)),
                ('expires_at', models.DateTimeField()),
                ('accepted_at', models.DateTimeField(null=True)),
                ('declined_at', models.DateTimeField(null=True)),
                ('revoked_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='user',
            name='user_email_unique',
        ),
        migrations.AlterField(
            model_name='user',
            name='email',
            field=models.EmailField(max_length=254),
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(fields=['email'], name='user_by_email'),
        ),
        migrations.AddField(
            model_name='invitation',
            name='accepted_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='invitation',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='invitation',
            name='invited_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddIndex(
            model_name='invitation',
            index=models.Index(fields=['token_digest'], name='invitation_by_token'),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE'), name='invitation_isolation'),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='invitation_account_id'),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=models.UniqueConstraint(models.F('account'), django.db.models.functions.text.Lower('address'), condition=models.Q(('accepted_at', None), ('declined_at', None), ('revoked_at', None)), name='invitation_open_once'),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=models.UniqueConstraint(condition=models.Q(('token_digest', ''), _negated=True), fields=('account', 'token_digest'), name='invitation_token_once'),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('accepted_at', None), ('accepted_by', None)), models.Q(('accepted_at__isnull', False), ('accepted_by__isnull', False)), _connector='OR'), name='invitation_accepted_by_somebody'),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('accepted_at', None), ('declined_at', None)), models.Q(('declined_at', None), ('revoked_at', None)), models.Q(('accepted_at', None), ('revoked_at', None)), _connector='OR'), name='invitation_ends_one_way'),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('accepted_at', None), ('declined_at', None), ('revoked_at', None)), ('token_digest', ''), _connector='OR'), name='invitation_closed_has_no_link'),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=models.CheckConstraint(condition=models.Q(('role__in', ['agent', 'reviewer', 'admin', 'auditor'])), name='invitation_role_known'),
        ),
    ]
