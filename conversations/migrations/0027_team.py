"""What a team says to itself: internal notes, being told of them, and a list of tags instead of words in a column."""

import conversations.database.database_time
import conversations.database.guards
import conversations.models.base
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models

from conversations.database.sqlfiles import run_sql


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0026_customers_checked'),
    ]

    operations = [
        migrations.CreateModel(
            name='ConversationTag',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
            ],
        ),
        migrations.CreateModel(
            name='Note',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
                ('author_name', models.CharField(editable=False, max_length=120)),
                ('text', models.TextField(blank=True)),
                ('mentions', models.JSONField(blank=True, default=dict, help_text='As it is written in the text -> whose id.')),
                ('removed_at', models.DateTimeField(editable=False, help_text='When its author took it back.', null=True)),
                ('erased_at', models.DateTimeField(editable=False, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Tag',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
                ('name', models.CharField(help_text='A word or two, as it stands beside a conversation.', max_length=40)),
                ('colour', models.CharField(choices=[('grey', 'Grey'), ('blue', 'Blue'), ('green', 'Green'), ('amber', 'Amber'), ('red', 'Red'), ('plum', 'Plum')], default='grey', help_text='The dot before the name.', max_length=10)),
                ('is_retired', models.BooleanField(default=False, help_text='Ticked: it stays where it was given, and is given to no other conversation.')),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='notification',
            name='notification_type_known',
        ),
        migrations.AlterField(
            model_name='notification',
            name='type',
            field=models.CharField(choices=[('draft_ready', 'Draft Ready'), ('draft_failed', 'Draft Failed'), ('came_back', 'Came Back'), ('send_failed', 'Send Failed'), ('send_uncertain', 'Send Uncertain'), ('bounced', 'Bounced'), ('job_failed', 'Job Failed'), ('handed_over', 'Handed Over'), ('taken_over', 'Taken Over'), ('asked_for', 'Asked For'), ('source_changed', 'Source Changed'), ('lane_shut', 'Lane Shut'), ('factor_lost', 'Factor Lost'), ('inbound_held', 'Inbound Held'), ('mentioned', 'Mentioned')], max_length=40),
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=models.CheckConstraint(condition=models.Q(('type__in', ['draft_ready', 'draft_failed', 'came_back', 'send_failed', 'send_uncertain', 'bounced', 'job_failed', 'handed_over', 'taken_over', 'asked_for', 'source_changed', 'lane_shut', 'factor_lost', 'inbound_held', 'mentioned'])), name='notification_type_known'),
        ),
        migrations.AddField(
            model_name='conversationtag',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='conversationtag',
            name='conversation',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='tag_links', to='conversations.conversation'),
        ),
        migrations.AddField(
            model_name='note',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='note',
            name='author',
            field=models.ForeignKey(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='note',
            name='conversation',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='notes', to='conversations.conversation'),
        ),
        migrations.AddField(
            model_name='tag',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='conversationtag',
            name='tag',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='links', to='conversations.tag'),
        ),
        migrations.AddIndex(
            model_name='note',
            index=models.Index(fields=['conversation', 'created_at'], name='idx_note_conversation'),
        ),
        migrations.AddConstraint(
            model_name='note',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='note_isolation'),
        ),
        migrations.AddConstraint(
            model_name='note',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='note_account_id'),
        ),
        migrations.AddConstraint(
            model_name='note',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(models.Q(('text', ''), _negated=True), ('erased_at__isnull', True), ('removed_at__isnull', True)), models.Q(('mentions', {}), ('text', ''), models.Q(('removed_at__isnull', False), ('erased_at__isnull', False), _connector='OR')), _connector='OR'), name='note_has_text_until_it_is_taken_back'),
        ),
        migrations.AddConstraint(
            model_name='note',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('mentions', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='note_mentions_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='note',
            constraint=conversations.database.guards.SameAccount(field='conversation', name='note_conversation_same_account'),
        ),
        migrations.AddConstraint(
            model_name='tag',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='tag_isolation'),
        ),
        migrations.AddConstraint(
            model_name='tag',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='tag_account_id'),
        ),
        migrations.AddConstraint(
            model_name='tag',
            constraint=models.UniqueConstraint(models.F('account'), django.db.models.functions.text.Lower('name'), name='tag_name'),
        ),
        migrations.AddConstraint(
            model_name='tag',
            constraint=models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='tag_has_a_name'),
        ),
        migrations.AddConstraint(
            model_name='tag',
            constraint=models.CheckConstraint(condition=models.Q(('colour__in', ['grey', 'blue', 'green', 'amber', 'red', 'plum'])), name='tag_colour_known'),
        ),
        migrations.AddIndex(
            model_name='conversationtag',
            index=models.Index(fields=['conversation'], name='idx_tag_of_conversation'),
        ),
        migrations.AddIndex(
            model_name='conversationtag',
            index=models.Index(fields=['tag', 'conversation'], name='idx_conversation_of_tag'),
        ),
        migrations.AddConstraint(
            model_name='conversationtag',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='conversationtag_isolation'),
        ),
        migrations.AddConstraint(
            model_name='conversationtag',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='conversationtag_account_id'),
        ),
        migrations.AddConstraint(
            model_name='conversationtag',
            constraint=models.UniqueConstraint(fields=('account', 'conversation', 'tag'), name='conversationtag_once'),
        ),
        migrations.AddConstraint(
            model_name='conversationtag',
            constraint=conversations.database.guards.SameAccount(field='conversation', name='conversationtag_conversation_same_account'),
        ),
        migrations.AddConstraint(
            model_name='conversationtag',
            constraint=conversations.database.guards.SameAccount(field='tag', name='conversationtag_tag_same_account'),
        ),
        run_sql("conversations", "0027_tags"),
    ]
